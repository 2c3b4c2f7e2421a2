{{/* What `helm install` prints. */}}
{{- define "service.notes" -}}
{{- $n := include "service.fullname" . -}}
{{ include "service.name" . }} {{ .Chart.AppVersion }} is installed as "{{ .Release.Name }}"
{{- if .Values.database.existingSecret }}, on PostgreSQL.
{{- else if not .Values.persistence.enabled }}, with its data in a SQLite file that is lost with the pod.
{{- else if .Values.persistence.existingClaim }}, with its data in a SQLite file on the claim "{{ .Values.persistence.existingClaim }}".
{{- else }}, with its data in a SQLite file on the claim "{{ $n }}", which outlives `helm uninstall`.
{{- end }} {{ include "service.relatedService" . }}
{{- include "service.missingSecret" . }}
{{- include "service.deniedTraffic" . }}

Wait until it is ready:

  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ $n }}

Test it:

  helm --namespace {{ .Release.Namespace }} test {{ .Release.Name }}

Call it:

  kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ $n }} {{ include "service.port" . }}:{{ .Values.service.port }}
  curl http://localhost:{{ include "service.port" . }}{{ include "service.path" . }}
{{- with include "service.externalURLs" . | trim }}

Call it from outside the cluster:

  {{ . | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* Hints about enabled features whose traffic the NetworkPolicy denies. */}}
{{- define "service.deniedTraffic" -}}
{{- with .Values.networkPolicy }}
{{- if and .enabled (not .allowFrom) (or $.Values.ingress.enabled $.Values.httpRoute.enabled) }}

The NetworkPolicy denies traffic from ingress controllers and Gateways in other namespaces: add them to networkPolicy.allowFrom.
{{- end }}
{{- if and .enabled (not .allowFrom) (not .metricsFrom) $.Values.serviceMonitor.enabled }}

The NetworkPolicy denies traffic from a Prometheus in another namespace: add it to networkPolicy.metricsFrom.
{{- end }}
{{- end }}
{{- end }}

{{/* How to create the Secret if the cluster does not have it. `helm template` has no cluster to look it up in. */}}
{{- define "service.missingSecret" -}}
{{- with .Values.database }}
{{- if .existingSecret }}
{{- if and (not (lookup "v1" "Secret" $.Release.Namespace .existingSecret)) (lookup "v1" "Namespace" "" $.Release.Namespace) }}

Its pods cannot start without a Secret "{{ .existingSecret }}" with the key "{{ .secretKey }}":

  kubectl --namespace {{ $.Release.Namespace }} create secret generic {{ .existingSecret }} --from-literal={{ .secretKey }}='postgres://USER:PASSWORD@HOST:{{ .port }}/DATABASE'
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* URLs at the Ingress and the Gateways; an asterisk stands for any host. */}}
{{- define "service.externalURLs" -}}
{{- $path := include "service.path" . }}
{{- if .Values.ingress.enabled }}
{{- $tlsHosts := list }}
{{- range .Values.ingress.tls }}
{{- $tlsHosts = concat $tlsHosts (.hosts | default list) }}
{{- end }}
{{- range .Values.ingress.hosts | default (list "*") }}
{{ ternary "https" "http" (has . $tlsHosts) }}://{{ . }}{{ $path }}
{{- end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- range .Values.httpRoute.hostnames | default (list "*") }}
{{ . }}{{ $path }}, with the scheme and port of the Gateway
{{- end }}
{{- end }}
{{- end }}
