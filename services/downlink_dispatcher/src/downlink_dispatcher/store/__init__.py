"""All the SQL of this service: functions take a connection and never commit; a display is locked before its downlinks."""
