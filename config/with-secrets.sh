#!/bin/sh
# For programs that read secrets from their environment alone: sets NAME to what the file holds that NAME_FILE names,
# for each such variable, then becomes the program.
set -eu

for name in $(env | sed -n 's/^\([A-Z0-9_]*\)_FILE=.*/\1/p'); do
    eval "file=\$${name}_FILE"
    if [ ! -s "$file" ]; then
        echo "${name}_FILE=$file is missing or empty: config/make-secrets.sh makes it" >&2
        exit 1
    fi
    export "$name=$(cat "$file")"
done

exec "$@"
