{{/* The templates that the library chart includes. Its file templates/_chart.tpl describes each of them. */}}

{{- define "orders.port" -}}
5002
{{- end }}

{{- define "orders.path" -}}
/orders
{{- end }}

{{- define "orders.relatedService" -}}
It calls users at {{ include "orders.usersURL" . }}.
{{- end }}

{{- define "orders.extraConfig" -}}
USERS_URL: {{ include "orders.usersURL" . | quote }}
{{- end }}

{{- define "orders.ingressPeers" -}}
- podSelector: {}
{{- end }}

{{/* With users.url only the port is known, not the pods behind it. */}}
{{- define "orders.egressRules" -}}
{{- if .Values.users.url -}}
- ports:
    - port: {{ include "service.portOf" .Values.users.url }}
      protocol: TCP
{{- else -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ include "orders.usersNamespace" . | quote }}
      podSelector:
        matchLabels:
          app.kubernetes.io/name: users
  ports:
    - port: 5001
      protocol: TCP
{{- end }}
{{- end }}

{{- define "orders.testArgs" -}}
- --users-url={{ include "orders.usersURL" . }}
{{- end }}

{{/* Namespace of the users release. */}}
{{- define "orders.usersNamespace" -}}
{{- .Values.users.namespace | default .Release.Namespace }}
{{- end }}

{{/* Base URL of users. The dot at the end makes the name absolute, so the resolver does not try its search domains first. */}}
{{- define "orders.usersURL" -}}
{{- $host := printf "%s.%s.svc.%s." .Values.users.service (include "orders.usersNamespace" .) .Values.clusterDomain }}
{{- .Values.users.url | default (printf "http://%s:5001" $host) }}
{{- end }}

{{- define "orders.extraAlerts" -}}
{{- $breaker := printf "circuit_breaker_state{%s}[%s]" (include "service.series" .) (include "service.duration" (list . 120)) }}
{{ include "service.alert" (dict "root" . "alert" "TandemCircuitBreakerOpen" "severity" "page" "for" 60
  "expr" (printf "max_over_time(%s) == 2 and min_over_time(%s) > 0" $breaker $breaker)
  "summary" "{{ $labels.pod }} has opened its circuit breaker for {{ $labels.server_address }}.") }}
{{- end }}
