#!/bin/sh
# Runs the service, and ends as it does. Tilt puts a newer binary at /tmp/service
# and sends USR1: the old process ends and that one takes its place. With
# arguments (`test …`, as Helm's test pod has them) it just runs it.
[ $# -eq 0 ] || exec /service "$@"

again='' ending='' child=''
trap 'again=1; kill -TERM $child' USR1
trap 'ending=1; kill -TERM $child' TERM INT

while :; do
	again=''
	if [ -x /tmp/service ]; then /tmp/service & else /service & fi
	child=$!
	# A signal that came before there was a child to pass it to.
	[ -z "$again$ending" ] || kill -TERM $child
	wait $child
	code=$?
	# A signal ends `wait` before the child has ended.
	while kill -0 $child 2>/dev/null; do
		wait $child
		code=$?
	done
	if [ -n "$ending" ] || [ -z "$again" ]; then exit $code; fi
done
