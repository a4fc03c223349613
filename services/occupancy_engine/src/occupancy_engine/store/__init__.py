"""All the SQL of the engine. Functions take a connection and never commit."""
