{{/*
Objects of the user, with the labels of the release and commonAnnotations. Their own take precedence. A text may have several
objects, or none.
*/}}
{{- define "service.extraObjects" -}}
{{- include "service.setDefaults" . -}}
{{- $root := . }}
{{- range $index, $item := .Values.extraObjects }}
{{- $text := tpl (ternary $item (toYaml $item) (kindIs "string" $item)) $root }}
{{- range regexSplit "(?m)^---[ \\t\\r]*(#.*)?$" $text -1 }}
{{- if regexMatch "(?m)^[ \\t\\r]*[^# \\t\\r\\n]" . }}
{{- include "service.extraObject" (dict "root" $root "index" $index "object" (fromYaml .)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* One object of extraObjects. Takes a dict: root, index (of the item), object (as fromYaml returns it). */}}
{{- define "service.extraObject" -}}
{{- if not (and .object.apiVersion .object.kind) }}
{{- fail (printf "extraObjects[%d] is no object of Kubernetes: %s." .index (.object.Error | default "apiVersion or kind is missing")) }}
{{- end }}
{{- $metadata := dict "labels" (include "service.labels" (dict "root" .root) | fromYaml) }}
{{- with .root.Values.commonAnnotations }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
---
{{ merge .object (dict "metadata" (deepCopy $metadata)) | toYaml }}
{{- end }}
