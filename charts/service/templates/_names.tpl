{{- define "service.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name }}
{{- end }}
{{- end }}

{{- define "service.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "service.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "service.image" -}}
{{- .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The Service's address. The dot at the end spares the search through the resolver's domains. */}}
{{- define "service.url" -}}
http://{{ include "service.fullname" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}.:{{ .Values.service.port }}
{{- end }}

{{/* Fewest pods that there can be. */}}
{{- define "service.leastPods" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled }}
{{- end }}
