{{/* The name of most objects of a release. */}}
{{- define "service.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name }}
{{- end }}
{{- end }}

{{/* Name of the ServiceAccount of the pods. */}}
{{- define "service.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "service.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* Reference of the image, by digest or by tag. */}}
{{- define "service.image" -}}
{{- .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* URL of the Service. The dot at the end makes the name absolute, so the resolver does not try its search domains first. */}}
{{- define "service.url" -}}
http://{{ include "service.fullname" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}.:{{ .Values.service.port }}
{{- end }}

{{/* The lowest number of pods. */}}
{{- define "service.minPods" -}}
{{- (include "service.currentScale" . | fromYaml).pods }}
{{- end }}
