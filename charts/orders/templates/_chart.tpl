{{/* What the other templates of this chart need to know of orders. users has templates with the same meanings. */}}

{{/* Name of the program. Unlike .Chart.Name it is the same under an alias. */}}
{{- define "orders.name" -}}
orders
{{- end }}

{{/* Port of the container. */}}
{{- define "orders.port" -}}
5002
{{- end }}

{{/* Path prefix of the API. */}}
{{- define "orders.path" -}}
/orders
{{- end }}

{{/* A sentence for the notes that tells how users and orders find each other. */}}
{{- define "orders.relatedService" -}}
It calls users at {{ include "orders.usersURL" . }}.
{{- end }}

{{/* Entries of the ConfigMap that only this chart has; may be empty. */}}
{{- define "orders.extraConfig" -}}
USERS_URL: {{ include "orders.usersURL" . | quote }}
{{- end }}

{{/* NetworkPolicy peers that may call the service. */}}
{{- define "orders.ingressPeers" -}}
- podSelector: {}
{{- end }}

{{/*
NetworkPolicy egress rules for the services that this one calls; may be empty. With users.url only the port is known, not
the pods behind it.
*/}}
{{- define "orders.egressRules" -}}
{{- if .Values.users.url -}}
- ports:
    - port: {{ include "orders.portOf" .Values.users.url }}
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

{{/* Arguments of the binary's `test` command besides --url; may be empty. */}}
{{- define "orders.testArgs" -}}
- --users-url={{ include "orders.usersURL" . }}
{{- end }}

{{/* Namespace of the users release. */}}
{{- define "orders.usersNamespace" -}}
{{- .Values.users.namespace | default .Release.Namespace }}
{{- end }}

{{/*
Whether orders calls the users of its own release: in an umbrella chart, if no value names another users. Not empty means
yes. A chart cannot see its siblings, so this does not depend on whether the umbrella contains users.
*/}}
{{- define "orders.callsSameRelease" -}}
{{- $users := .Values.users | default dict }}
{{- if not (or .Chart.IsRoot $users.url $users.service $users.namespace) }}yes{{ end }}
{{- end }}

{{/* Name of the headless Service through which orders calls users. */}}
{{- define "orders.usersService" -}}
{{- if include "orders.callsSameRelease" . }}
{{- printf "%s-to-users" (include "orders.fullname" .) }}
{{- else }}
{{- .Values.users.service | default "users-headless" }}
{{- end }}
{{- end }}

{{/* Base URL of users. The dot at the end makes the name absolute, so the resolver does not try its search domains first. */}}
{{- define "orders.usersURL" -}}
{{- $host := printf "%s.%s.svc.%s." (include "orders.usersService" .) (include "orders.usersNamespace" .) (trimSuffix "." .Values.clusterDomain) }}
{{- .Values.users.url | default (printf "http://%s:5001" $host) }}
{{- end }}

{{/* Alerts that only this chart has; may be empty. */}}
{{- define "orders.extraAlerts" -}}
{{- $breaker := printf "circuit_breaker_state{%s}[%s]" (include "orders.series" .) (include "orders.duration" (list . 120)) }}
{{ include "orders.alert" (dict "root" . "alert" "TandemCircuitBreakerOpen" "severity" "page" "for" 60
  "expr" (printf "max_over_time(%s) == 2 and min_over_time(%s) > 0" $breaker $breaker)
  "summary" "{{ $labels.pod }} has opened its circuit breaker for {{ $labels.server_address }}.") }}
{{- end }}
