#!/bin/sh
# Runs once, when PostgreSQL makes its data directory: ChirpStack gets a role and a database of its own.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$(cat "$CHIRPSTACK_POSTGRES_PASSWORD_FILE")" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE chirpstack LOGIN PASSWORD :'password';
CREATE DATABASE chirpstack OWNER chirpstack;
\connect chirpstack
CREATE EXTENSION pg_trgm;
SQL
