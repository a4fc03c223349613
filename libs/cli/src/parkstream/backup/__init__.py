"""Backup and restore: everything acknowledged, in one folder, and back again (docs/decisions/0017-backup.md)."""
