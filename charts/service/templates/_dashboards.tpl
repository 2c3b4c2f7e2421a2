{{/* Grafana dashboards for the sidecar of Grafana's chart. Their queries select the series of this release. */}}
{{- define "service.dashboards" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.dashboards.enabled -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ printf "%s-dashboards" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "labels" (dict .Values.dashboards.label "1")) | nindent 2 }}
data:
  {{- $root := . }}
  {{- range $path, $json := .Files.Glob "dashboards/*.json" }}
  {{ include "service.fullname" $root }}-{{ base $path }}: |
    {{- /* Grafana accepts at most 40 characters. */ -}}
    {{- $uid := printf "%s/%s/%s" $root.Release.Namespace (include "service.fullname" $root) $path | sha256sum | trunc 16 }}
    {{- $json | toString | replace "@uid@" $uid
      | replace "@release@" (include "service.fullname" $root)
      | replace "@namespace@" $root.Release.Namespace
      | replace "@path@" (include "service.path" $root) | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
