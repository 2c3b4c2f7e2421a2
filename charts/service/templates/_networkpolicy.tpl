{{/* Denies all other traffic in both directions. Probes of the kubelet are not subject to NetworkPolicies. */}}
{{- define "service.networkpolicy" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" .) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "service.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- include "service.ingressPeers" . | nindent 8 }}
        {{- with concat .Values.networkPolicy.allowFrom .Values.networkPolicy.metricsFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - port: {{ include "service.port" . }}
          protocol: TCP
  egress:
    {{- include "service.egress" . | nindent 4 }}
    {{- if include "service.postgres" . }}
    - ports:
        {{- include "service.databasePorts" . | trim | nindent 8 }}
    {{- end }}
    {{- with .Values.telemetry.otlpEndpoint }}
    - ports:
        - port: {{ include "service.portOf" . }}
          protocol: TCP
    {{- end }}
{{- end }}
{{- end }}

{{/* The test pods need egress only: nothing may call them. */}}
{{- define "service.testNetworkPolicy" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ printf "%s-test-api" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "component" "test") | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "service.testSelectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    - to:
        - podSelector:
            matchLabels:
              {{- include "service.selectorLabels" . | nindent 14 }}
      ports:
        - port: {{ include "service.port" . }}
          protocol: TCP
    {{- include "service.egress" . | nindent 4 }}
{{- end }}
{{- end }}

{{/* Egress rules that server pods and test pods have in common. */}}
{{- define "service.egress" -}}
- to:
    {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- with include "service.egressRules" . }}
{{ . }}
{{- end }}
{{- with .Values.networkPolicy.allowTo }}
- to:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{/* The port of a URL, or the default port of its scheme. Takes the URL. */}}
{{- define "service.portOf" -}}
{{- $url := urlParse . }}
{{- trimPrefix ":" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- end }}

{{/*
database.port, and the ports of a DATABASE_URL in extraEnv. Both, since the policy is about the port of the pods, which can be
another than that of their Service.
*/}}
{{- define "service.databasePorts" -}}
{{- $ports := list (toString .Values.database.port) }}
{{- range .Values.extraEnv }}
{{- if and (eq .name "DATABASE_URL") .value }}
{{- $hosts := regexReplaceAll "^//(.*@)?" (regexFind "//[^/?#]*" .value) "" }}
{{- range regexFindAll ":[0-9]+(,|$)" $hosts -1 }}
{{- $ports = append $ports (trimAll ":," .) }}
{{- end }}
{{- end }}
{{- end }}
{{- range uniq $ports }}
- port: {{ . }}
  protocol: TCP
{{- end }}
{{- end }}
