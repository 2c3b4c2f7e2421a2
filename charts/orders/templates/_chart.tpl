{{/* What the library asks of each chart. */}}

{{/* Port of the pods. */}}
{{- define "service.port" -}}
5002
{{- end }}

{{/* Where the API begins. */}}
{{- define "service.path" -}}
/orders
{{- end }}

{{/* How it and the other service find each other, for the notes. */}}
{{- define "service.neighbour" -}}
It asks users at {{ include "orders.usersURL" . }}.
{{- end }}

{{/* Settings beyond those that every service has. */}}
{{- define "service.config" -}}
USERS_URL: {{ include "orders.usersURL" . | quote }}
{{- end }}

{{/* Who may call, as NetworkPolicy peers. */}}
{{- define "service.callers" -}}
- podSelector: {}
{{- end }}

{{/* Whom it calls, as NetworkPolicy egress rules. Who answers at a URL is not known here, only the port. */}}
{{- define "service.callees" -}}
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

{{/* Arguments of `orders test` beyond its own address. */}}
{{- define "service.testArguments" -}}
- --users-url={{ include "orders.usersURL" . }}
{{- end }}

{{- define "orders.usersNamespace" -}}
{{- .Values.users.namespace | default .Release.Namespace }}
{{- end }}

{{/* The dot at the end spares the search through the resolver's domains. */}}
{{- define "orders.usersURL" -}}
{{- .Values.users.url | default (printf "http://%s.%s.svc.%s.:5001" .Values.users.service (include "orders.usersNamespace" .) .Values.clusterDomain) }}
{{- end }}

{{/* Alerts beyond those that every service has. */}}
{{- define "service.ownAlerts" -}}
{{- $breaker := printf "circuit_breaker_state{%s}[%s]" (include "service.series" .) (include "service.time" (list . 120)) }}
{{ include "service.alert" (dict "root" . "alert" "TandemCircuitBreakerOpen" "severity" "page" "for" 60
  "expr" (printf "max_over_time(%s) == 2 and min_over_time(%s) > 0" $breaker $breaker)
  "summary" "{{ $labels.pod }} has stopped calling {{ $labels.server_address }}, which fails.") }}
{{- end }}
