#!/bin/sh
# INET's script on an openNDS router (docs/router-agent.md): tells the server, once a minute, which clients are online and what they used,
# and puts out those that the server names in its answer. It uses nothing but what OpenWrt and openNDS bring along.
#
#   inet-agent.sh            report once; for cron:  * * * * * /usr/bin/inet-agent.sh
#   inet-agent.sh loop [N]   report every N seconds (60), for an init script
#
# Whoever can read this file can speak for this router: chmod 700.

KEY=${INET_AGENT_KEY:-@INET_AGENT_KEY@}
LIBRARY=${INET_OPENNDS_LIBRARY:-/usr/lib/opennds/libopennds.sh}
COUNTER_FILE=${INET_AGENT_COUNTER:-/var/run/inet-agent.counter}
# A report travels in a web address at level 4, and addresses have an end: more clients are told in several reports.
CLIENTS_PER_REPORT=24
MOST_ORDERS=8

LC_ALL=C
export LC_ALL
set -u
set -f # what comes from outside is never expanded into file names

fail() {
	logger -t inet-agent "$1" 2>/dev/null || echo "inet-agent: $1" >&2
}

# A keyed digest, nested so that a signed text cannot be lengthened. The key stays inside this shell: printf is no process of its own.
digest() {
	inner=$(printf '%s' "$KEY:$1:$2" | sha256sum | cut -c1-64)
	printf '%s' "$KEY:outer:$inner" | sha256sum | cut -c1-64
}

# Every report has a higher number than the one before it, also after a restart that forgot the last: the clock sees to that.
next_counter() {
	last=$(cat "$COUNTER_FILE" 2>/dev/null)
	case $last in '' | *[!0-9]*) last=0 ;; esac
	counter=$(date +%s)
	[ "$counter" -gt "$last" ] || counter=$((last + 1))
	echo "$counter" >"$COUNTER_FILE"
}

# From what `ndsctl json` said, a line for each client that was let in: mac.token.downloaded.uploaded, in kB of 1024, sorted by MAC.
online_clients() {
	printf '%s' "$1" | tr ',{}' '\n\n\n' | awk -F'"' '
		function number(text) { return (text ~ /^[0-9]+$/ && length(text) <= 15) ? text : 0 }
		function finish() {
			gsub(":", "", mac)
			if (state == "Authenticated" && length(mac) == 12 && mac ~ /^[0-9a-f]+$/ && length(token) == 8 && token ~ /^[0-9a-f]+$/)
				print mac "." token "." number(down) "." number(up)
			state = ""; token = ""; down = 0; up = 0
		}
		$2 == "mac" { finish(); mac = tolower($4) }
		$2 == "token" { token = $4 }
		$2 == "state" { state = $4 }
		$2 == "download_this_session" { down = $4 }
		$2 == "upload_this_session" { up = $4 }
		END { finish() }
	' | sort
}

is_mac() {
	h='[0-9a-f]'
	# shellcheck disable=SC2254 # these are patterns
	case $1 in $h$h:$h$h:$h$h:$h$h:$h$h:$h$h) return 0 ;; esac
	return 1
}

# The answer is `ack`, or `ack <counter> <digest> deauth <mac>...`. Nothing is run before all of it has been found right.
obey() {
	sent=$1
	# shellcheck disable=SC2086 # to be split into words
	set -- $2
	[ $# -ge 5 ] && [ "$1" = ack ] && [ "$2" = "$sent" ] && [ "$4" = deauth ] || return 0
	[ $# -le $((4 + MOST_ORDERS)) ] || return 0
	claimed=$3
	shift 4
	for mac in "$@"; do
		is_mac "$mac" || return 0
	done
	[ "$claimed" = "$(digest server "$sent deauth $*")" ] || return 0
	for mac in "$@"; do
		ndsctl deauth "$mac" >/dev/null 2>&1
	done
}

# $1: MAC after which this report begins; $2: MAC up to which it goes; $3: its clients, or -.
report() {
	next_counter
	body="inet1:$counter:$online:$1:$2:$3"
	reply=$("$LIBRARY" send_to_fas_custom "$body:$(digest router "$body")" 2>/dev/null) || fail "the report was not sent"
	obey "$counter" "$reply"
}

report_all() {
	listing=$(ndsctl json 2>/dev/null)
	case $listing in
	*'"client_list_length"'*) ;;
	*)
		# openNDS is busy or away, which is not the same as nobody being online.
		fail "ndsctl lists no clients"
		return 0
		;;
	esac
	clients=$(online_clients "$listing")
	# shellcheck disable=SC2086 # to be split into words
	set -- $clients
	online=$#
	after=000000000000
	while [ $# -gt $CLIENTS_PER_REPORT ]; do
		list=$1
		shift
		taken=1
		while [ $taken -lt $CLIENTS_PER_REPORT ]; do
			list=${list}_$1
			upto=${1%%.*}
			shift
			taken=$((taken + 1))
		done
		report "$after" "$upto" "$list"
		after=$upto
	done
	list=-
	if [ $# -gt 0 ]; then
		list=$1
		shift
		for client in "$@"; do
			list=${list}_$client
		done
	fi
	report "$after" ffffffffffff "$list"
}

case $KEY in
*[!0-9a-f]* | '')
	fail "no key: fetch this script from the gateway's page, which puts the router's own key in"
	exit 2
	;;
esac

if [ "${1:-}" = loop ]; then
	while :; do
		report_all
		sleep "${2:-60}"
	done
fi
report_all
