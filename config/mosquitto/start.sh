#!/bin/sh
# Writes the password file from each user's secret file (/run/secrets/mqtt_<user>), then becomes the broker.
set -eu
umask 077

secrets="${SECRETS_DIR:-/run/secrets}"
passwords="${MOSQUITTO_PASSWORD_FILE:-/run/mosquitto/passwords}"
rm -f "$passwords"
touch "$passwords"
for user in uplink_ingestor downlink_dispatcher chirpstack gateway_bridge; do
    if [ ! -s "$secrets/mqtt_$user" ]; then
        echo "$secrets/mqtt_$user is missing or empty: config/make-secrets.sh makes it" >&2
        exit 1
    fi
    mosquitto_passwd -b "$passwords" "$user" "$(cat "$secrets/mqtt_$user")"
done

exec mosquitto -c "${1:-/mosquitto/config/mosquitto.conf}"
