#!/usr/bin/env bash
# Installs PostgreSQL for development into a namespace, with a database and a role
# for each service. The Secrets users-database and orders-database contain the
# URLs, for `--set database.existingSecret=…`. The script generates the passwords;
# they are stored only in the Secrets. It can be run again at any time.
#
#   k8s/postgres/install.sh NAMESPACE
set -euo pipefail
cd "$(dirname "$0")"
namespace=${1:?usage: install.sh NAMESPACE}

k() { kubectl --namespace "$namespace" "$@"; }
new_password() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
# secret NAME KEY VALUE: creates a Secret unless it exists.
secret() { k get secret "$1" >/dev/null 2>&1 || k create secret generic "$1" --from-literal="$2=$3"; }

secret postgres password "$(new_password)"
k apply -f postgres.yaml
k rollout status statefulset/postgres --timeout=180s

for service in users orders; do
	secret $service-database DATABASE_URL \
		"postgres://$service:$(new_password)@postgres.$namespace.svc.cluster.local.:5432/$service?sslmode=disable"
	url=$(k get secret $service-database --output jsonpath='{.data.DATABASE_URL}' | base64 -d)
	password=${url#*"://$service:"}
	password=${password%%@*}
	k exec --stdin postgres-0 -- psql --username=postgres --quiet --set=ON_ERROR_STOP=1 --set=service=$service <<-SQL
		SELECT format('CREATE ROLE %I LOGIN', :'service')
		WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
		ALTER ROLE :"service" PASSWORD '$password';
		SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'service')
		WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
		REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
	SQL
done
