"""Messages that could not be handled: listed, inspected, replayed."""
