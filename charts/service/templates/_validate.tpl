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
{{- $cpu := dig "requests" "cpu" (dig "limits" "cpu" "" .Values.resources) .Values.resources }}
{{- if and .Values.autoscaling.enabled (not $cpu) }}
{{- fail "autoscaling.enabled is true, but the use of CPU is measured against the request, and there is none: set resources.requests.cpu." }}
{{- end }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas is %d, but autoscaling.maxReplicas is %d: raise autoscaling.maxReplicas, or lower autoscaling.minReplicas." (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- end }}
{{- /*
A pod's readiness fails first at once or a period after it was told to stop, so the kubelet may take it for unready one
period sooner than threshold × period. Until the drain ends it must not: traffic falls back on pods that drain where no
other is left, and only on those that are still ready.
*/}}
{{- $drain := int .Values.config.drainDelaySeconds }}
{{- $period := int .Values.readinessProbe.periodSeconds }}
{{- $window := mul (sub .Values.readinessProbe.failureThreshold 1) $period | int }}
{{- if lt $window $drain }}
{{- $needed := add1 (divf $drain $period | ceil) }}
{{- fail (printf "config.drainDelaySeconds is %d, but a pod that drains may be taken for unready after %d s: set readinessProbe.failureThreshold to %d or more, or lower config.drainDelaySeconds." $drain $window $needed) }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled is true, but httpRoute.parentRefs names no Gateway." }}
{{- end }}
{{- end }}
