#!/bin/sh
# Has ChirpStack make an API key for Parkstream, once, and keeps it in a file that downlink_dispatcher reads.
# To have another one: delete the key in ChirpStack's console and the volume chirpstack_key.
set -eu

token=${1:-/run/chirpstack/token}
if [ -s "$token" ]; then
    exit 0
fi

# It prints `id: ...` and `token: ...`, perhaps among lines of its log.
chirpstack -c /etc/chirpstack create-api-key --name parkstream >"$token.said"
sed -n 's/^token: //p' "$token.said" >"$token.new"
rm "$token.said"
if [ ! -s "$token.new" ]; then
    echo "ChirpStack made no key" >&2
    exit 1
fi
chmod 0644 "$token.new"
mv "$token.new" "$token"
