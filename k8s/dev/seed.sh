#!/usr/bin/env bash
# Creates a user and an order of this user through the port-forwards.
set -euo pipefail
post() { curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' --data "$2" "http://localhost:$1"; }

name=dev-$(date +%s)
user=$(post 5001/users "{\"name\": \"$name\", \"email\": \"$name@example.com\"}")
echo "$user"
id=${user#*'"id":'}
post 5002/orders "{\"user_id\": ${id%%,*}, \"product\": \"Notebook\", \"quantity\": 2, \"price\": 4.50}"
