{{/* What the other templates of this chart need to know of users. orders has templates with the same meanings. */}}

{{/* Name of the program. Unlike .Chart.Name it is the same under an alias. */}}
{{- define "users.name" -}}
users
{{- end }}

{{/* Port of the container. */}}
{{- define "users.port" -}}
5001
{{- end }}

{{/* Path prefix of the API. */}}
{{- define "users.path" -}}
/users
{{- end }}

{{/* A sentence for the notes that tells how users and orders find each other. */}}
{{- define "users.relatedService" -}}
orders finds it
{{- if .Chart.IsRoot }} with users.service={{ include "users.fullname" . }}-headless.
{{- else }} in the same release, or with users.service={{ include "users.fullname" . }}-headless.
{{- end }}
{{- end }}

{{/* Entries of the ConfigMap that only this chart has; may be empty. */}}
{{- define "users.extraConfig" -}}
{{- end }}

{{/* NetworkPolicy peers that may call the service. */}}
{{- define "users.ingressPeers" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: orders
- podSelector:
    matchLabels:
      {{- include "users.testSelectorLabels" . | nindent 6 }}
{{- end }}

{{/* NetworkPolicy egress rules for the services that this one calls; may be empty. */}}
{{- define "users.egressRules" -}}
{{- end }}

{{/* Arguments of the binary's `test` command besides --url; may be empty. */}}
{{- define "users.testArgs" -}}
{{- end }}

{{/* Alerts that only this chart has; may be empty. */}}
{{- define "users.extraAlerts" -}}
{{- end }}
