{{/*
The fields of an object's metadata except its name. Takes a dict: "root", and optionally "component", "labels" and
"annotations".
*/}}
{{- define "service.metadata" -}}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "service.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
The recommended labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/). They take
precedence over the user's, because Services, PodDisruptionBudgets and NetworkPolicies select pods by them. Takes the same
dict as service.metadata.
*/}}
{{- define "service.labels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_")
  "app.kubernetes.io/name" .root.Chart.Name
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/part-of" "tandem"
  "app.kubernetes.io/managed-by" .root.Release.Service
}}
{{- with .component }}
{{- $_ := set $labels "app.kubernetes.io/component" . }}
{{- end }}
{{- merge $labels (.labels | default dict) .root.Values.commonLabels | toYaml }}
{{- end }}

{{/* Selects the server pods, not the test pods. Must never change: a Deployment's selector is immutable. */}}
{{- define "service.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: server
{{- end }}

{{/* Selects the release's test pods. */}}
{{- define "service.testSelectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: test
{{- end }}
