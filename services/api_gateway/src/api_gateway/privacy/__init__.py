"""What is kept about people, over HTTP: exported and erased by its owner."""
