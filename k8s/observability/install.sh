#!/usr/bin/env bash
# Installs the OpenTelemetry Collector, Jaeger, Prometheus and Grafana for
# development into the namespace of the releases. Does not wait for Grafana.
#
#   k8s/observability/install.sh NAMESPACE
#   helm upgrade --install users charts/users --namespace NAMESPACE --values k8s/observability/values.yaml
set -euo pipefail
cd "$(dirname "$0")"
namespace=${1:?usage: install.sh NAMESPACE}
k() { kubectl --namespace "$namespace" "$@"; }

for part in collector jaeger prometheus grafana; do
	k apply -f $part.yaml
done
for part in collector jaeger prometheus; do
	k rollout status deployment/$part --timeout=180s
done
