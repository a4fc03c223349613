#!/bin/sh
# Gives the server each user's password from its secret file (/run/secrets/nats_<user>), then becomes the server.
set -eu

secrets="${SECRETS_DIR:-/run/secrets}"
for user in uplink_ingestor occupancy_engine reservation_service downlink_dispatcher api_gateway parkstream; do
    if [ ! -s "$secrets/nats_$user" ]; then
        echo "$secrets/nats_$user is missing or empty: config/make-secrets.sh makes it" >&2
        exit 1
    fi
    password=$(cat "$secrets/nats_$user")
    case "$password" in
        *[!A-Za-z0-9_-]*)
            echo "$secrets/nats_$user: letters, digits, - and _ only" >&2
            exit 1
            ;;
    esac
    name=$(echo "$user" | tr a-z A-Z)
    # The inner quotes keep NATS from reading a password such as 12e4 as a number.
    export "PARKSTREAM_NATS_${name}_PASSWORD=\"$password\""
done

# A node of a cluster: PARKSTREAM_NATS_PEERS names all nodes, such as "nats-1:6222 nats-2:6222 nats-3:6222".
if [ -n "${PARKSTREAM_NATS_PEERS:-}" ]; then
    password=$(cat "$secrets/nats_route")
    routes=""
    for peer in $PARKSTREAM_NATS_PEERS; do
        routes="$routes\"nats://route:$password@$peer\", "
    done
    export PARKSTREAM_NATS_ROUTE_PASSWORD="\"$password\"" PARKSTREAM_NATS_ROUTES="[$routes]"
fi

exec "${NATS_SERVER:-nats-server}" -c "${1:-/etc/nats/nats.conf}"
