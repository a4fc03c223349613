#!/bin/sh
# Writes the password file from the environment (each variable must be set), then becomes the broker.
set -eu
umask 077

passwords="${MOSQUITTO_PASSWORD_FILE:-/run/mosquitto/passwords}"
rm -f "$passwords"
touch "$passwords"
mosquitto_passwd -b "$passwords" parkstream "$PARKSTREAM_MQTT_PASSWORD"
mosquitto_passwd -b "$passwords" chirpstack "$CHIRPSTACK_MQTT_PASSWORD"
mosquitto_passwd -b "$passwords" gateway_bridge "$GATEWAY_BRIDGE_MQTT_PASSWORD"

exec mosquitto -c "${1:-/mosquitto/config/mosquitto.conf}"
