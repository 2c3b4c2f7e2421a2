#!/usr/bin/env bash
# Compiles a service into .tilt/SERVICE, the build context of its development
# image. If the binary has not changed, the file is not touched, so Tilt does not
# update the pods. A changed binary replaces the file atomically. After a compile
# error the previous binary remains.
#
#   k8s/dev/compile.sh SERVICE up|ci
set -euo pipefail
service=$1
image=.tilt/$service
built=.tilt/bin/$service
mkdir -p "$image" .tilt/bin

# Tilt builds the image when this script ends. If it is notified of the changed
# file only after that, it builds again, in the middle of the Helm tests. The
# pause lets the notification arrive first. It is not needed once `tilt up` copies
# binaries instead of building images.
settle=0
if [ ! -e "$image/service" ] || [ "$2" = ci ]; then settle=1; fi

CGO_ENABLED=0 go build -ldflags '-s -w' -o "$built" "./src/cmd/$service"

# put FILE NAME: moves a copy of FILE to $image/NAME unless they are equal.
put() {
	if cmp --silent "$1" "$image/$2"; then return; fi
	cp "$1" ".tilt/bin/$service.new"
	mv ".tilt/bin/$service.new" "$image/$2"
}
put k8s/dev/restart.sh restart.sh
put "$built" service
sleep $settle
