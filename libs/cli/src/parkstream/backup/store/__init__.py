"""All SQL that writes a restored database."""
