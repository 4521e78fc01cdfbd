#!/bin/sh
# The nginx image's start: renders the configuration into memory, then becomes nginx. Arguments are those of render.py, without its output.
set -eu
mkdir -p /tmp/nginx/run
python3 -I /opt/nginx/render.py /tmp/nginx/conf --run /tmp/nginx/run --http 8080 --https 8443 --main 'daemon off;' "$@" >/dev/null
exec nginx -c /tmp/nginx/conf/nginx.conf -e stderr
