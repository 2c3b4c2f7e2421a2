{{/* Exposes only the API: /metrics and /health are for the cluster only. */}}
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
          - path: {{ include "service.path" $ }}
            pathType: Prefix
            backend:
              service:
                name: {{ include "service.fullname" $ | quote }}
                port:
                  name: http
      {{- with . }}
      host: {{ . | quote }}
      {{- end }}
    {{- end }}
{{- end }}
{{- end }}
