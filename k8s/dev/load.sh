#!/usr/bin/env bash
# Requests the details of an order for 5 seconds (at most 10) over 8 connections
# through the port-forward, and counts the statuses. Fails unless all are 200.
set -euo pipefail
orders=http://localhost:5002/orders
id=$(curl --silent --show-error --fail --max-time 5 "$orders?limit=1" | grep -o '"id": *[0-9]*' | head -1 | grep -o '[0-9]*$') ||
	{ echo 'There is no order to request: run the button "seed" first.' >&2; exit 1; }

statuses=$(while [ $SECONDS -lt 5 ]; do
	timeout 5 curl --silent --no-progress-meter --parallel --parallel-max 8 --output /dev/null \
		--write-out '%{http_code}\n' "$orders/$id/details?[1-100]" || echo failed
done)
sort <<<"$statuses" | uniq --count
! grep --quiet --invert-match '^200$' <<<"$statuses"
