#!/usr/bin/env bash
# Installs collector, Jaeger, Prometheus and Grafana for development into a
# namespace, beside the releases that they observe. Grafana is not waited for.
#
#   k8s/observability/install.sh NAMESPACE
#   helm upgrade --install users charts/users --namespace NAMESPACE --values k8s/observability/values.yaml
set -euo pipefail
cd "$(dirname "$0")"
namespace=${1:?say which namespace}
k() { kubectl --namespace "$namespace" "$@"; }

for part in collector jaeger prometheus grafana; do
	k apply -f $part.yaml
done
for part in collector jaeger prometheus; do
	k rollout status deployment/$part --timeout=180s
done
