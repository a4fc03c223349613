#!/bin/sh
# Makes the secrets that compose.yaml hands to its containers, in ./secrets or the directory given: random ones, and only
# those that are not there. To have another one: docs/security.md.
set -eu

directory="${1:-secrets}"
mkdir -p "$directory"
# Nobody else on this machine passes through the directory; the containers' own users must be able to read the files.
chmod 0700 "$directory"

make() {
    if [ ! -s "$directory/$1" ]; then
        printf '%s' "$2" >"$directory/$1.new"
        chmod 0444 "$directory/$1.new"
        mv "$directory/$1.new" "$directory/$1"
        echo "made $directory/$1"
    fi
}

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

for name in \
    postgres chirpstack_postgres chirpstack_api_secret grafana \
    nats_uplink_ingestor nats_occupancy_engine nats_reservation_service nats_downlink_dispatcher nats_api_gateway \
    nats_parkstream mqtt_uplink_ingestor mqtt_downlink_dispatcher mqtt_chirpstack mqtt_gateway_bridge; do
    make "$name" "$(random)"
done
# The first API key, registered when the gateway starts for the first time.
make bootstrap_api_key "pk_$(random | cut -c1-12)_$(random)"
