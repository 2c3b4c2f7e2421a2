{{/* Exposes only the API, unless `console.exposed`: /metrics and /health are for the cluster only. */}}
{{- define "service.ingress" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.ingress.enabled -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" . "annotations" .Values.ingress.annotations) | nindent 2 }}
spec:
  {{- with .Values.ingress.className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.ingress.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range .Values.ingress.hosts | default (list "") }}
    - http:
        paths:
          {{- range include "service.exposedPaths" $ | fromYamlArray }}
          - path: {{ .path }}
            pathType: {{ .exact | ternary "Exact" "Prefix" }}
            backend:
              service:
                name: {{ include "service.fullname" $ | quote }}
                port:
                  name: http
          {{- end }}
      {{- with . }}
      host: {{ . | quote }}
      {{- end }}
    {{- end }}
{{- end }}
{{- end }}

{{/* The paths of the Ingress and the HTTPRoute: those of the API, and with `console.exposed` those that the page needs. */}}
{{- define "service.exposedPaths" -}}
- {path: {{ include "service.path" . }}, exact: false}
{{- if and .Values.console.enabled .Values.console.exposed }}
- {path: /, exact: true}
- {path: /console, exact: false}
{{- range list "/docs" "/openapi.yaml" "/health" }}
- {path: {{ . }}, exact: true}
{{- end }}
{{- end }}
{{- end }}
