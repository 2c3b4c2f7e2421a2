{{/* Fails for values that the schema accepts but that cannot work together. */}}
{{- define "service.validate" -}}
{{- include "service.setDefaults" . -}}
{{- $name := include "service.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$" $name) }}
{{- $rule := "at most 52 lower-case letters, digits and hyphens that begins with a letter" }}
{{- fail (printf "the objects would be named %q, which is not a valid name for a Service: choose a release name or fullnameOverride of %s." $name $rule) }}
{{- end }}
{{- $instance := include "service.instance" . }}
{{- if not (regexMatch "^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$" $instance) }}
{{- $rule := "at most 63 characters, the last one a letter or digit" }}
{{- fail (printf "the label app.kubernetes.io/instance would be %q, which is not valid: choose a release name and an alias that make %s." $instance $rule) }}
{{- end }}
{{- $onePod := "only one pod can use a SQLite database: set database.existingSecret to use PostgreSQL" }}
{{- if not (include "service.postgres" .) }}
{{- if gt (int .Values.replicaCount) 1 }}
{{- fail (printf "replicaCount is %d, but %s, or replicaCount to 1." (int .Values.replicaCount) $onePod) }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- fail (printf "autoscaling.enabled is true, but %s, or autoscaling.enabled to false." $onePod) }}
{{- end }}
{{- end }}
{{- $running := dig "spec" "replicas" 1 (lookup "apps/v1" "Deployment" .Release.Namespace $name) | int }}
{{- if and (not (include "service.postgres" .)) (not (hasKey .Values "replicaCount")) (gt $running 1) }}
{{- fail (printf "replicaCount is set to nothing, but %d pods run, and %s, or replicaCount to 1." $running $onePod) }}
{{- end }}
{{- $cpu := dig "requests" "cpu" (dig "limits" "cpu" "" .Values.resources) .Values.resources }}
{{- if and .Values.autoscaling.enabled (not $cpu) }}
{{- fail "autoscaling.enabled is true, but there is no CPU request to measure utilization against: set resources.requests.cpu." }}
{{- end }}
{{- $min := int .Values.autoscaling.minReplicas }}
{{- $max := int .Values.autoscaling.maxReplicas }}
{{- if gt $min $max }}
{{- fail (printf "autoscaling.minReplicas is %d, but autoscaling.maxReplicas is %d: raise autoscaling.maxReplicas, or lower autoscaling.minReplicas." $min $max) }}
{{- end }}
{{- /*
A terminating pod must stay ready until its drain ends: if no other pod is left, Kubernetes sends traffic to terminating
pods, but only to ready ones. The first readiness probe may fail immediately after termination begins, so the kubelet may
mark the pod unready after (threshold − 1) × period.
*/}}
{{- $drain := int .Values.config.drainDelaySeconds }}
{{- $period := int .Values.readinessProbe.periodSeconds }}
{{- $minReady := mul (sub .Values.readinessProbe.failureThreshold 1) $period | int }}
{{- if lt $minReady $drain }}
{{- $needed := add1 (divf $drain $period | ceil) }}
{{- $advice := printf "set readinessProbe.failureThreshold to %d or more, or lower config.drainDelaySeconds" $needed }}
{{- fail (printf "config.drainDelaySeconds is %d, but readiness probes may mark a draining pod unready after %d s: %s." $drain $minReady $advice) }}
{{- end }}
{{- $derived := dict "PORT" "service.port for the port of the Service" "DATA_DIR" "persistence.existingClaim for another volume"
  "DRAIN_DELAY" "config.drainDelaySeconds" "SHUTDOWN_TIMEOUT" "config.shutdownTimeoutSeconds"
  "USERS_URL" "users.url" "OTEL_EXPORTER_OTLP_ENDPOINT" "telemetry.otlpEndpoint" }}
{{- range .Values.extraEnv }}
{{- if and (eq .name "DATABASE_URL") $.Values.database.existingSecret (not (or .value .valueFrom)) }}
{{- fail (printf "extraEnv sets DATABASE_URL to nothing, but database.existingSecret is %s: remove one of them." $.Values.database.existingSecret) }}
{{- end }}
{{- if hasKey $derived .name }}
{{- fail (printf "extraEnv sets %s, on which other fields of the objects depend: set %s." .name (get $derived .name)) }}
{{- end }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled is true, but httpRoute.parentRefs is empty: name a Gateway." }}
{{- end }}
{{- end }}
