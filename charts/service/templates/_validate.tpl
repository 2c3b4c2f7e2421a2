{{/* Refuses values that the schema lets through and that cannot work together. */}}
{{- define "service.validate" -}}
{{- $name := include "service.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$" $name) }}
{{- fail (printf "the objects would be named %q, which a Service cannot: give the release, or fullnameOverride, a name of at most 52 lower-case letters, digits and hyphens that begins with a letter." $name) }}
{{- end }}
{{- if not .Values.database.existingSecret }}
{{- if gt (int .Values.replicaCount) 1 }}
{{- fail (printf "replicaCount is %d, but SQLite is a file that one pod owns: set database.existingSecret to use PostgreSQL, or replicaCount to 1." (int .Values.replicaCount)) }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- fail "autoscaling.enabled is true, but SQLite is a file that one pod owns: set database.existingSecret to use PostgreSQL, or autoscaling.enabled to false." }}
{{- end }}
{{- end }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail "autoscaling.minReplicas exceeds autoscaling.maxReplicas." }}
{{- end }}
{{- $window := mul .Values.readinessProbe.periodSeconds .Values.readinessProbe.failureThreshold }}
{{- if le (int $window) (int .Values.config.drainDelaySeconds) }}
{{- fail (printf "readinessProbe fails after %d s, within config.drainDelaySeconds (%d s): kube-proxy could then not fall back on pods that still drain. Raise readinessProbe.failureThreshold." (int $window) (int .Values.config.drainDelaySeconds)) }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled is true, but httpRoute.parentRefs names no Gateway." }}
{{- end }}
{{- end }}
