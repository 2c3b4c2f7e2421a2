{{/* The environment variables of the container, without secrets. */}}
{{- define "service.configmap" -}}
{{- include "service.setDefaults" . -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" .) | nindent 2 }}
data:
  PORT: {{ include "service.port" . | quote }}
  DATA_DIR: /data
  LOG_LEVEL: {{ .Values.config.logLevel }}
  MAX_IN_FLIGHT: {{ .Values.config.maxInFlight | quote }}
  MAX_CONNECTIONS: {{ .Values.config.maxConnections | int64 | quote }}
  IDLE_TIMEOUT: {{ .Values.config.idleTimeoutSeconds }}s
  HEADER_TIMEOUT: {{ .Values.config.headerTimeoutSeconds }}s
  DATABASE_MAX_CONNECTIONS: {{ .Values.database.maxConnections | quote }}
  DATABASE_CONNECTION_LIFETIME: {{ .Values.database.connectionLifetimeSeconds | int64 }}s
  DATABASE_CONNECTION_IDLE_TIME: {{ .Values.database.connectionIdleSeconds | int64 }}s
  SEED_DEMO_DATA: {{ .Values.config.seedDemoData | quote }}
  CONSOLE: {{ .Values.console.enabled | quote }}
  {{- with .Values.console.traceURL }}
  CONSOLE_TRACE_URL: {{ . | quote }}
  {{- end }}
  {{- with .Values.config.corsOrigins }}
  CORS_ORIGINS: {{ join "," . | quote }}
  {{- end }}
  DRAIN_DELAY: {{ .Values.config.drainDelaySeconds }}s
  SHUTDOWN_TIMEOUT: {{ .Values.config.shutdownTimeoutSeconds }}s
  {{- with include "service.extraConfig" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if .Values.telemetry.otlpEndpoint }}
  OTEL_EXPORTER_OTLP_ENDPOINT: {{ .Values.telemetry.otlpEndpoint | quote }}
  OTEL_EXPORTER_OTLP_PROTOCOL: {{ .Values.telemetry.otlpProtocol }}
  OTEL_TRACES_SAMPLER: parentbased_traceidratio
  OTEL_TRACES_SAMPLER_ARG: {{ .Values.telemetry.samplingRatio | quote }}
  {{- end }}
{{- end }}
