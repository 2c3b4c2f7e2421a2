{{/*
Prometheus finds the pods by this Service. The Prometheus operator discovers by Endpoints unless it is told otherwise, and
those have terminating pods only if they may have pods that are not ready.
*/}}
{{- define "service.metricsService" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.serviceMonitor.enabled -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ printf "%s-metrics" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "component" "metrics") | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  {{- with include "service.ipFamilies" . }}
  {{- . | nindent 2 }}
  {{- end }}
  publishNotReadyAddresses: true
  selector:
    {{- include "service.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ include "service.port" . }}
      targetPort: http
      protocol: TCP
      appProtocol: http
{{- end }}
{{- end }}
