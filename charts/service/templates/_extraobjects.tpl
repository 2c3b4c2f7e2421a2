{{/* Objects of the user, with the labels of the release and commonAnnotations. Their own take precedence. */}}
{{- define "service.extraObjects" -}}
{{- include "service.setDefaults" . -}}
{{- $root := . }}
{{- range .Values.extraObjects }}
{{- $object := tpl (ternary . (toYaml .) (kindIs "string" .)) $root | fromYaml }}
{{- $metadata := dict "labels" (include "service.labels" (dict "root" $root) | fromYaml) }}
{{- with $root.Values.commonAnnotations }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
---
{{ merge $object (dict "metadata" (deepCopy $metadata)) | toYaml }}
{{- end }}
{{- end }}
