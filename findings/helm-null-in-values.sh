#!/usr/bin/env bash
# Helm 4.3.1 (since 4.2.0) drops a null that the values.yaml of a parent chart has for a value of a subchart, without a
# warning: the subchart keeps its default. The same file passed with --values, and --set with null, remove the value. Helm 3
# removes it in all three cases. So a parent chart behaves otherwise in the checkout of somebody who passes its values.yaml
# too, and when Helm 3 is replaced by Helm 4. The script compiles both, which takes minutes the first time.
# Source: https://github.com/helm/helm/issues/32132; the rule that is broken is "Deleting a default key" in
# https://helm.sh/docs/chart_template_guide/values_files.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOMODCACHE=$dir/modules GOFLAGS="-modcacherw -trimpath" CGO_ENABLED=0
export HELM_CACHE_HOME=$dir/cache HELM_CONFIG_HOME=$dir/config HELM_DATA_HOME=$dir/data
mkdir -p parent/charts/sub/templates
printf 'apiVersion: v2\nname: parent\nversion: 1.0.0\n' >parent/Chart.yaml
printf 'sub:\n  replicaCount: null\n' >parent/values.yaml
printf 'apiVersion: v2\nname: sub\nversion: 1.0.0\n' >parent/charts/sub/Chart.yaml
printf 'replicaCount: 1\n' >parent/charts/sub/values.yaml
echo 'seen: {{ if hasKey .Values "replicaCount" }}{{ .Values.replicaCount | quote }}{{ else }}absent{{ end }}' \
  >parent/charts/sub/templates/seen.yaml

# seen TEXT ARGUMENT... prints what the subchart sees, and adds it to all.
seen() {
  local value
  value=$("$dir/bin/helm" template release "${@:2}" 2>"$dir/errors" | sed -n 's/^seen: //p')
  printf '  %-46s %s%s\n' "$1" "$value" "$(sed 's/^/, stderr: /' "$dir/errors")"
  all+=" $value"
}

all=
for version in v3.22.0 v4.3.1; do
  GOBIN=$dir/bin go install "helm.sh/helm/${version%%.*}/cmd/helm@$version" 2>install || { cat install; exit 1; }
  echo "version: $(go version -m bin/helm | awk '$1 == "mod" { print $2, $3 }')"
  seen "null in the values.yaml of the parent:" parent
  seen "the same, and the same file with --values:" parent --values parent/values.yaml
  seen "the same, and --set sub.replicaCount=null:" parent --set sub.replicaCount=null
  seen "the subchart alone, --set replicaCount=null:" parent/charts/sub --set replicaCount=null
done
if [ "$all" != ' absent absent absent absent "1" absent absent absent' ]; then
  echo "CHANGED: the value should be absent, and 1 only in the first case of Helm 4"
  exit 1
fi
