{{- define "service.notes" -}}
{{- $n := include "service.fullname" . -}}
{{ .Chart.Name }} {{ .Chart.AppVersion }} is installed as "{{ .Release.Name }}"
{{- if .Values.database.existingSecret }}, on PostgreSQL.
{{- else if not .Values.persistence.enabled }}, with its data in a SQLite file that is lost with the pod.
{{- else if .Values.persistence.existingClaim }}, with its data in a SQLite file on a claim of yours.
{{- else }}, with its data in a SQLite file on the claim "{{ $n }}", which outlives `helm uninstall`.
{{- end }} {{ include "service.relatedService" . }}
{{- include "service.missingSecret" . }}
{{- include "service.refused" . }}

Wait until it is ready:

  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ $n }}

See whether it works:

  helm --namespace {{ .Release.Namespace }} test {{ .Release.Name }}

Call it:

  kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ $n }} {{ include "service.port" . }}:{{ .Values.service.port }}
  curl http://localhost:{{ include "service.port" . }}{{ include "service.path" . }}
{{- with include "service.outside" . | trim }}

Call it from outside:

  {{ . | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* Who was switched on and cannot come in. */}}
{{- define "service.refused" -}}
{{- with .Values.networkPolicy }}
{{- if and .enabled (not .allowFrom) (or $.Values.ingress.enabled $.Values.httpRoute.enabled) }}

The NetworkPolicy refuses ingress controllers and Gateways of other namespaces: name them in networkPolicy.allowFrom.
{{- end }}
{{- if and .enabled (not .allowFrom) (not .metricsFrom) $.Values.serviceMonitor.enabled }}

The NetworkPolicy refuses a Prometheus of another namespace: name it in networkPolicy.metricsFrom.
{{- end }}
{{- end }}
{{- end }}

{{/* Where the Secret is known to be missing, what to make; `helm template` does not know. */}}
{{- define "service.missingSecret" -}}
{{- with .Values.database }}
{{- if .existingSecret }}
{{- if and (not (lookup "v1" "Secret" $.Release.Namespace .existingSecret)) (lookup "v1" "Namespace" "" $.Release.Namespace) }}

Its pods cannot start before there is a Secret "{{ .existingSecret }}" with the key "{{ .secretKey }}":

  kubectl --namespace {{ $.Release.Namespace }} create secret generic {{ .existingSecret }} --from-literal={{ .secretKey }}='postgres://USER:PASSWORD@HOST:{{ .port }}/DATABASE'
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Its addresses at the Ingress and the Gateways; an asterisk is any host. */}}
{{- define "service.outside" -}}
{{- $path := include "service.path" . }}
{{- if .Values.ingress.enabled }}
{{- $secure := list }}
{{- range .Values.ingress.tls }}
{{- $secure = concat $secure (.hosts | default list) }}
{{- end }}
{{- range .Values.ingress.hosts | default (list "*") }}
{{ ternary "https" "http" (has . $secure) }}://{{ . }}{{ $path }}
{{- end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- range .Values.httpRoute.hostnames | default (list "*") }}
{{ . }}{{ $path }}, by the scheme and port of the Gateway
{{- end }}
{{- end }}
{{- end }}
