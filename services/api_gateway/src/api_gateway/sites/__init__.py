"""Car parks and streets, on which the spaces are."""
