"""All the SQL of this service: functions take a connection and never commit.

A display is locked before its downlinks, and several in the order of (tenant_id, dev_eui).
"""
