#!/usr/bin/env bash
# Installs metrics-server into kube-system. `kubectl top` and HorizontalPodAutoscaler
# need it. kind does not include it; most other clusters do.
set -euo pipefail
cd "$(dirname "$0")"
kubectl apply -f metrics-server.yaml
kubectl --namespace kube-system rollout status deployment/metrics-server --timeout=180s
kubectl wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout=60s
# The API server serves the metrics a moment later.
timeout 60 bash -c 'until kubectl top nodes 2>/dev/null; do sleep 1; done'
