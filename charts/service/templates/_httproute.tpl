{{/* Exposes only the API, unless `console.exposed`: /metrics and /health are for the cluster only. */}}
{{- define "service.httproute" -}}
{{- include "service.setDefaults" . -}}
{{- if .Values.httpRoute.enabled -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" . "annotations" .Values.httpRoute.annotations) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml .Values.httpRoute.parentRefs | nindent 4 }}
  {{- with .Values.httpRoute.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - matches:
        {{- range include "service.exposedPaths" . | fromYamlArray }}
        - path:
            type: {{ .exact | ternary "Exact" "PathPrefix" }}
            value: {{ .path }}
        {{- end }}
      backendRefs:
        - name: {{ include "service.fullname" . | quote }}
          port: {{ .Values.service.port }}
{{- end }}
{{- end }}
