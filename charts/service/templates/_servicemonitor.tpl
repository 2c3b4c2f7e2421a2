{{- define "service.servicemonitor" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.serviceMonitor.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" . "labels" .Values.serviceMonitor.labels) | nindent 2 }}
spec:
  # Selects one of the Services, so that each pod is scraped once.
  selector:
    matchLabels:
      {{- $labels := include "service.selectorLabels" . | fromYaml }}
      {{- set $labels "app.kubernetes.io/component" "metrics" | toYaml | nindent 6 }}
  {{- if .Values.serviceMonitor.scrapeClassicHistograms }}
  scrapeClassicHistograms: true
  {{- end }}
  endpoints:
    - port: http
      path: /metrics
      interval: {{ .Values.serviceMonitor.interval }}
      # Rules and dashboards select the series by the name of the release.
      relabelings:
        - targetLabel: job
          replacement: {{ include "service.fullname" . | quote }}
        - targetLabel: service
          replacement: {{ include "service.fullname" . | quote }}
{{- end }}
{{- end }}
