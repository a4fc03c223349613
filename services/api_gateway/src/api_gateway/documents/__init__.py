"""What describes the API and the bus, for programs and for people, without a network."""
