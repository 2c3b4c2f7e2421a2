{{/*
What users and orders each define for this library. Their templates have the chart's name in front, such as "users.port",
because named templates are global: an umbrella chart that contains both charts must not mix them up.
*/}}

{{/* Port of the container. */}}
{{- define "service.port" -}}
{{- include (printf "%s.port" .Chart.Name) . }}
{{- end }}

{{/* Path prefix of the API. */}}
{{- define "service.path" -}}
{{- include (printf "%s.path" .Chart.Name) . }}
{{- end }}

{{/* A sentence of the notes: how this service and the other one find each other. */}}
{{- define "service.relatedService" -}}
{{- include (printf "%s.relatedService" .Chart.Name) . }}
{{- end }}

{{/* Entries of the ConfigMap that only this chart has; may be empty. */}}
{{- define "service.extraConfig" -}}
{{- include (printf "%s.extraConfig" .Chart.Name) . }}
{{- end }}

{{/* NetworkPolicy peers that may call the service. */}}
{{- define "service.ingressPeers" -}}
{{- include (printf "%s.ingressPeers" .Chart.Name) . }}
{{- end }}

{{/* NetworkPolicy egress rules for the services that this one calls; may be empty. */}}
{{- define "service.egressRules" -}}
{{- include (printf "%s.egressRules" .Chart.Name) . }}
{{- end }}

{{/* Arguments of the binary's `test` command besides --url; may be empty. */}}
{{- define "service.testArgs" -}}
{{- include (printf "%s.testArgs" .Chart.Name) . }}
{{- end }}

{{/* Alerts that only this chart has; may be empty. */}}
{{- define "service.extraAlerts" -}}
{{- include (printf "%s.extraAlerts" .Chart.Name) . }}
{{- end }}
