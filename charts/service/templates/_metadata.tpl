{{/*
The fields of an object's metadata except its name. Takes a dict: "root", and optionally "component", "labels" and
"annotations".
*/}}
{{- define "service.metadata" -}}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "service.labels" . | nindent 2 }}
{{- with include "service.merged" (list .annotations .root.Values.commonAnnotations) | fromYaml }}
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
  "helm.sh/chart" (printf "%s-%s" (include "service.name" .root) .root.Chart.Version | replace "+" "_")
  "app.kubernetes.io/name" (include "service.name" .root)
  "app.kubernetes.io/instance" (include "service.instance" .root)
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/part-of" "tandem"
  "app.kubernetes.io/managed-by" .root.Release.Service
}}
{{- with .component }}
{{- $_ := set $labels "app.kubernetes.io/component" . }}
{{- end }}
{{- if and (eq .component "server") (not .root.Chart.IsRoot) }}
{{- /* By this, orders in the same umbrella chart finds the pods of users, whatever their alias is. */}}
{{- $_ := set $labels "tandem/release" .root.Release.Name }}
{{- end }}
{{- include "service.merged" (list $labels .labels .root.Values.commonLabels) }}
{{- end }}

{{/* Merges labels or annotations, as YAML. Takes a list of mappings. The first take precedence, also where a text is empty. */}}
{{- define "service.merged" -}}
{{- $merged := dict }}
{{- range reverse . }}
{{- range $name, $text := . }}
{{- $_ := set $merged $name $text }}
{{- end }}
{{- end }}
{{- toYaml $merged }}
{{- end }}

{{/*
What tells this instance of the chart from others: the release, and the alias, if an umbrella chart gives one. No release
name contains the underscore, so no other release has the same. Part of selectors, so it must never change.
*/}}
{{- define "service.instance" -}}
{{- .Release.Name }}
{{- if ne .Chart.Name (include "service.name" .) }}_{{ .Chart.Name }}{{ end }}
{{- end }}

{{/* Selects the server pods, not the test pods. Must never change: a Deployment's selector is immutable. */}}
{{- define "service.selectorLabels" -}}
app.kubernetes.io/name: {{ include "service.name" . | quote }}
app.kubernetes.io/instance: {{ include "service.instance" . | quote }}
app.kubernetes.io/component: server
{{- end }}

{{/* Selects the release's test pods. */}}
{{- define "service.testSelectorLabels" -}}
app.kubernetes.io/name: {{ include "service.name" . | quote }}
app.kubernetes.io/instance: {{ include "service.instance" . | quote }}
app.kubernetes.io/component: test
{{- end }}
