#!/bin/sh
# The PgBouncer image's start: renders the configuration into memory, then becomes PgBouncer. The database's URL comes by the environment.
set -eu
python3 -I /opt/pgbouncer/render.py /tmp/pgbouncer --listen '*' "$@" >/dev/null
exec pgbouncer -q /tmp/pgbouncer/pgbouncer.ini
