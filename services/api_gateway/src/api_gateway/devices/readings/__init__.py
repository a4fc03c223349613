"""What one device said, and how it fares: its readings and its health."""
