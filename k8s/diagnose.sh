#!/usr/bin/env bash
# Prints information for diagnosing a failure on the cluster: the nodes, and for
# each namespace except those of Kubernetes and kind its pods, events, pod
# descriptions and the last lines of the logs.
#
#   k8s/diagnose.sh
set -uo pipefail
kubectl get nodes --output=wide
for namespace in $(kubectl get namespaces --output=jsonpath='{.items[*].metadata.name}'); do
	case $namespace in kube-* | local-path-storage | default) continue ;; esac
	k() { echo "--- $namespace: kubectl $*" && kubectl --namespace "$namespace" "$@"; }
	k get pods --output=wide
	k get events --sort-by=.lastTimestamp
	k describe pods
	for pod in $(kubectl --namespace "$namespace" get pods --output=name); do
		k logs "$pod" --all-containers --tail=50
	done
done
