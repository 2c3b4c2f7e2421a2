#!/bin/sh
# Runs the service and exits with its status. Tilt copies a newer binary to
# /tmp/service and sends SIGUSR1: then the script terminates the old process and
# starts the new binary. With arguments (`test …` in Helm's test pod) it only runs
# the binary in the image.
[ $# -eq 0 ] || exec /service "$@"

restart='' stopping='' child=''
trap 'restart=1; kill -TERM $child' USR1
trap 'stopping=1; kill -TERM $child' TERM INT

while :; do
	restart=''
	if [ -x /tmp/service ]; then /tmp/service & else /service & fi
	child=$!
	# Pass on a signal that arrived before the child had started.
	[ -z "$restart$stopping" ] || kill -TERM $child
	wait $child
	code=$?
	# A signal interrupts `wait` while the child still runs.
	while kill -0 $child 2>/dev/null; do
		wait $child
		code=$?
	done
	if [ -n "$stopping" ] || [ -z "$restart" ]; then exit $code; fi
done
