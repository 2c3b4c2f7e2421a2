{{/* What the library asks of each chart. */}}

{{/* Port of the pods. */}}
{{- define "service.port" -}}
5001
{{- end }}

{{/* Where the API begins. */}}
{{- define "service.path" -}}
/users
{{- end }}

{{/* How it and the other service find each other, for the notes. */}}
{{- define "service.neighbour" -}}
orders reaches it with users.service={{ include "service.fullname" . }}-headless.
{{- end }}

{{/* Settings beyond those that every service has. */}}
{{- define "service.config" -}}
{{- end }}

{{/* Who may call, as NetworkPolicy peers. */}}
{{- define "service.callers" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: orders
- podSelector:
    matchLabels:
      {{- include "service.testSelectorLabels" . | nindent 6 }}
{{- end }}

{{/* Whom it calls, as NetworkPolicy egress rules. */}}
{{- define "service.callees" -}}
{{- end }}

{{/* Arguments of `users test` beyond its own address. */}}
{{- define "service.testArguments" -}}
{{- end }}

{{/* Alerts beyond those that every service has. */}}
{{- define "service.ownAlerts" -}}
{{- end }}
