"""Users' sessions: log-in and its throttle, access tokens and the keys that sign them, refresh tokens."""
