{{/*
The templates in this file include a template of the chart that uses this library. Every such chart defines all of them,
prefixed with its own name: "users.port" for service.port in the chart users. Without the prefix, users and orders would
overwrite each other's templates in an umbrella chart, because named templates are global.
*/}}

{{/* Port of the container. */}}
{{- define "service.port" -}}
{{- include (printf "%s.port" .Chart.Name) . }}
{{- end }}

{{/* Path prefix of the API. */}}
{{- define "service.path" -}}
{{- include (printf "%s.path" .Chart.Name) . }}
{{- end }}

{{/* A sentence for the notes that tells how users and orders find each other. */}}
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

{{/* The rules of the values as JSON: defaults and limits. `make charts` writes it. */}}
{{- define "service.defaults" -}}
{{- include (printf "%s.defaults" .Chart.Name) . }}
{{- end }}
