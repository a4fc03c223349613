"""All the SQL of this service. Functions take a connection and never commit; each names the tenant it is about."""
