"""All the SQL of this service: functions take a connection and never commit.

A display is locked before its downlinks, and several in the order of (tenant_id, dev_eui).
"""

from types import MappingProxyType

# Every question here has its index. A plan made while a table was nearly empty would go through all of it instead, and
# stay until the statistics come, a minute later.
BY_INDEX = MappingProxyType({"enable_seqscan": "off"})
# Of the sender alone. What a crash of PostgreSQL itself takes back of a claim or of its record is found out as after a
# sender's own death, at the price of one identical command; waiting for the disk twice would cost every display time.
UNSYNCED = MappingProxyType({"synchronous_commit": "off"})
