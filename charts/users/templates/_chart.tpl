{{/* The templates that the library chart includes. Its file templates/_chart.tpl describes each of them. */}}

{{- define "users.port" -}}
5001
{{- end }}

{{- define "users.path" -}}
/users
{{- end }}

{{- define "users.relatedService" -}}
orders finds it with users.service={{ include "service.fullname" . }}-headless.
{{- end }}

{{- define "users.extraConfig" -}}
{{- end }}

{{- define "users.ingressPeers" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: orders
- podSelector:
    matchLabels:
      {{- include "service.testSelectorLabels" . | nindent 6 }}
{{- end }}

{{- define "users.egressRules" -}}
{{- end }}

{{- define "users.testArgs" -}}
{{- end }}

{{- define "users.extraAlerts" -}}
{{- end }}
