#!/usr/bin/env bash
# Installs collector, Jaeger and Prometheus for development into a namespace,
# beside the releases that they observe:
#
#   k8s/observability/install.sh NAMESPACE
#   helm upgrade --install users charts/users --namespace NAMESPACE --values k8s/observability/values.yaml
set -euo pipefail
cd "$(dirname "$0")"
namespace=${1:?say which namespace}
for part in collector jaeger prometheus; do
	kubectl --namespace "$namespace" apply -f $part.yaml
done
for part in collector jaeger prometheus; do
	kubectl --namespace "$namespace" rollout status deployment/$part --timeout=180s
done
