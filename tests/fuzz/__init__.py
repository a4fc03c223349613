"""Hostile input of every kind: what is made up here is sent at codecs, parsers and running services by the tests."""
