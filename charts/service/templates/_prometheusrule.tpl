{{/* Recording rules and alerts: a PrometheusRule for the operator, or a ConfigMap for a Prometheus that mounts it. */}}
{{- define "service.prometheusrule" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.prometheusRule.enabled -}}
{{- if eq .Values.prometheusRule.kind "ConfigMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ printf "%s-rules" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "labels" .Values.prometheusRule.labels) | nindent 2 }}
data:
  rules.yaml: |
    {{- include "service.rules" . | nindent 4 }}
{{- else -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" . "labels" .Values.prometheusRule.labels) | nindent 2 }}
spec:
  {{- include "service.rules" . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The rule groups, in the format of a rule file of Prometheus. */}}
{{- define "service.rules" -}}
groups:
  - name: {{ printf "%s-slo" (include "service.fullname" .) | quote }}
    rules:
      {{- include "service.recordingRules" . | trim | nindent 6 }}
      {{- include "service.burnRateAlerts" . | trim | nindent 6 }}
  - name: {{ include "service.fullname" . | quote }}
    rules:
      {{- include "service.alerts" . | trim | nindent 6 }}
{{- end }}

{{/* Label matchers for the series of the release. The Prometheus operator sets these labels on the series of a Service. */}}
{{- define "service.series" -}}
namespace="{{ .Release.Namespace }}",job="{{ include "service.fullname" . }}"
{{- end }}

{{/* Label matchers for requests to the API; probes and scrapes do not match. */}}
{{- define "service.requests" -}}
{{ include "service.series" . }},http_route=~"{{ include "service.path" . }}.*"
{{- end }}

{{/* A duration in the syntax of Prometheus, multiplied by prometheusRule.timeScale. Takes a list: root, seconds. */}}
{{- define "service.duration" -}}
{{- $seconds := mulf (index . 1) (index . 0).Values.prometheusRule.timeScale | ceil | int }}
{{- if and (ge $seconds 3600) (eq (mod $seconds 3600) 0) }}{{ div $seconds 3600 }}h
{{- else if and (ge $seconds 60) (eq (mod $seconds 60) 0) }}{{ div $seconds 60 }}m
{{- else }}{{ $seconds }}s{{ end }}
{{- end }}

{{/*
The ratio of bad requests for each service level objective, over each window that the alerts use. The window in a record's
name is the unscaled one.
*/}}
{{- define "service.recordingRules" -}}
{{- $requests := include "service.requests" . }}
{{- $root := . }}
{{- range $slo, $objective := dict "availability" .Values.slo.availabilityPercent "latency" .Values.slo.latencyPercent }}
- record: slo:objective:ratio
  labels: {{ include "service.ruleLabels" $root }}, slo: {{ $slo }}}
  expr: vector({{ divf $objective 100 }})
{{- end }}
{{- range list (list "5m" 300) (list "30m" 1800) (list "1h" 3600) (list "2h" 7200) (list "6h" 21600) (list "1d" 86400) (list "3d" 259200) }}
{{- $window := include "service.duration" (list $root (index . 1)) }}
- record: slo:sli_error:ratio_rate{{ index . 0 }}
  labels: {{ include "service.ruleLabels" $root }}, slo: availability}
  expr: |-
    (sum(rate(http_server_request_duration_seconds_count{ {{- $requests }},http_response_status_code=~"5.."}[{{ $window }}])) or vector(0))
      / sum(rate(http_server_request_duration_seconds_count{ {{- $requests }}}[{{ $window }}]))
- record: slo:sli_error:ratio_rate{{ index . 0 }}
  labels: {{ include "service.ruleLabels" $root }}, slo: latency}
  expr: |-
    1 - sum(rate(http_server_request_duration_seconds_bucket{ {{- $requests }},le=~"{{ $root.Values.slo.latencySeconds }}([.]0)?"}[{{ $window }}]))
      / sum(rate(http_server_request_duration_seconds_count{ {{- $requests }}}[{{ $window }}]))
{{- if has (index . 0) (list "1h" "6h" "1d" "3d") }}
- record: slo:requests:increase{{ index . 0 }}
  labels: {{ include "service.ruleLabels" $root }}}
  expr: sum(increase(http_server_request_duration_seconds_count{ {{- $requests }}}[{{ $window }}]))
{{- end }}
{{- end }}
{{- end }}

{{/* The labels of a recording rule, without the closing brace. */}}
{{- define "service.ruleLabels" -}}
{namespace: {{ .Release.Namespace | quote }}, service: {{ include "service.fullname" . | quote }}
{{- end }}

{{/*
Multi-window, multi-burn-rate alerts (https://sre.google/workbook/alerting-on-slos/). The long window shows that the
burn is significant, the short one that it continues. In a quiet hour one failed request would be significant; so the long
window must have slo.minRequests, scaled as the windows are.
*/}}
{{- define "service.burnRateAlerts" -}}
{{- $root := . }}
{{- /* Short window, long window, burn rate. */}}
{{- $fast := list (list "5m" "1h" 14.4) (list "30m" "6h" 6.0) }}
{{- $slow := list (list "2h" "1d" 3.0) (list "6h" "3d" 1.0) }}
{{- $minRequests := mulf .Values.slo.minRequests .Values.prometheusRule.timeScale | ceil | int }}
{{- range $slo, $objective := dict "availability" .Values.slo.availabilityPercent "latency" .Values.slo.latencyPercent }}
{{- range $speed, $windows := dict "Fast" $fast "Slow" $slow }}
{{- $burn := ternary "so fast that it is exhausted within days" "faster than the objective allows" (eq $speed "Fast") }}
{{- $alert := printf "Tandem%sBudgetBurns%s" (title $slo) $speed }}
- alert: {{ $alert }}
  expr: |-
    {{- range $i, $w := $windows }}
    {{- $threshold := mulf (index $w 2) (divf (subf 100 $objective) 100) | printf "%.6g" }}
    {{ if $i }}or {{ end }}(
      slo:sli_error:ratio_rate{{ index $w 0 }}{{ include "service.sli" (list $root $slo) }} > {{ $threshold }}
      and slo:sli_error:ratio_rate{{ index $w 1 }}{{ include "service.sli" (list $root $slo) }} > {{ $threshold }}
      and on (namespace, service) slo:requests:increase{{ index $w 1 }} >= {{ $minRequests }}
    )
    {{- end }}
  for: {{ include "service.duration" (list $root (ternary 120 900 (eq $speed "Fast"))) }}
  labels: {severity: {{ ternary "page" "ticket" (eq $speed "Fast") }}}
  annotations:
    summary: {{ printf "The %s error budget of %s burns %s." $slo (include "service.fullname" $root) $burn | quote }}
    runbook_url: {{ printf "%s#%s" $root.Values.prometheusRule.runbookURL (lower $alert) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Label matchers for the recorded ratios of one objective. Takes a list: root, objective. */}}
{{- define "service.sli" -}}
{namespace="{{ (index . 0).Release.Namespace }}",service="{{ include "service.fullname" (index . 0) }}",slo="{{ index . 1 }}"}
{{- end }}

{{/* One alert. Takes a dict: root, alert, expr, for (seconds), severity, summary. */}}
{{- define "service.alert" -}}
- alert: {{ .alert }}
  expr: |-
    {{ .expr }}
  for: {{ include "service.duration" (list .root .for) }}
  labels: {severity: {{ .severity }}, namespace: {{ .root.Release.Namespace | quote }}, service: {{ include "service.fullname" .root | quote }}}
  annotations:
    summary: {{ .summary | quote }}
    runbook_url: {{ printf "%s#%s" .root.Values.prometheusRule.runbookURL (lower .alert) | quote }}
{{- end }}

{{/*
Alerts on conditions that the objectives do not show, or show too late. The back-off between restarts of a container is up
to five minutes, so TandemRestartLoop needs a window of an hour.
*/}}
{{- define "service.alerts" -}}
{{- $series := include "service.series" . }}
{{- $name := include "service.fullname" . }}
{{ include "service.alert" (dict "root" . "alert" "TandemServiceAbsent" "severity" "page" "for" 300
  "expr" (printf "absent(up{%s} == 1)" $series)
  "summary" (printf "Prometheus cannot scrape any pod of %s." $name)) }}
{{ include "service.alert" (dict "root" . "alert" "TandemNoPodReady" "severity" "page" "for" 300
  "expr" (printf "sum(service_ready{%s}) == 0" $series)
  "summary" (printf "No pod of %s is ready." $name)) }}
{{ include "service.alert" (dict "root" . "alert" "TandemDependencyDown" "severity" "page" "for" 120
  "expr" (printf "dependency_up{%s} == 0" $series)
  "summary" "{{ $labels.pod }} cannot reach {{ $labels.dependency }}.") }}
{{ include "service.alert" (dict "root" . "alert" "TandemReadinessFlaps" "severity" "ticket" "for" 0
  "expr" (printf "changes(service_ready{%s}[%s]) > 4" $series (include "service.duration" (list . 900)))
  "summary" "{{ $labels.pod }} alternates between ready and not ready.") }}
{{ include "service.alert" (dict "root" . "alert" "TandemRestartLoop" "severity" "page" "for" 0
  "expr" (printf "changes(process_start_time_seconds{%s}[%s]) > 3" $series (include "service.duration" (list . 3600)))
  "summary" "{{ $labels.pod }} restarts repeatedly.") }}
{{- $lostSpans := printf "{__name__=~\"otel_sdk_(processor_span_processed|exporter_span_exported)_total\",%s,error_type!=\"\"}" $series }}
{{ include "service.alert" (dict "root" . "alert" "TandemTracesLost" "severity" "ticket" "for" 600
  "expr" (printf "sum by (pod, error_type) (rate(%s[%s])) > 0" $lostSpans (include "service.duration" (list . 300)))
  "summary" "{{ $labels.pod }} loses spans: {{ $labels.error_type }}.") }}
{{ include "service.extraAlerts" . }}
{{- end }}
