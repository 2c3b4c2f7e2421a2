#!/usr/bin/env bash
# Compiles a service to .tilt/SERVICE, the context of its development image. A
# binary that came out the same stays untouched, and so do its pods; another one
# appears there complete; a compile error leaves the last one.
#
#   k8s/dev/compile.sh SERVICE up|ci
set -euo pipefail
service=$1
image=.tilt/$service
built=.tilt/bin/$service
mkdir -p "$image" .tilt/bin

# Tilt builds the image when this ends. What it hears of afterwards, such as a
# file that was written just before, makes it build again: in the middle of the
# Helm tests. Later on, `tilt up` does not build images but copies the binary.
settle=0
if [ ! -e "$image/service" ] || [ "$2" = ci ]; then settle=1; fi

CGO_ENABLED=0 go build -ldflags '-s -w' -o "$built" "./src/cmd/$service"

# put FILE NAME
put() {
	if cmp --silent "$1" "$image/$2"; then return; fi
	cp "$1" ".tilt/bin/$service.new"
	mv ".tilt/bin/$service.new" "$image/$2"
}
put k8s/dev/restart.sh restart.sh
put "$built" service
sleep $settle
