"""The three kinds of rows an import takes: how each is found, compared, and handed to the command that owns it."""
