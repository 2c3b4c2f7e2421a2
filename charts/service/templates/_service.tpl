{{- define "service.service" -}}
{{- include "service.setDefaults" . -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" . "component" "server" "annotations" .Values.service.annotations) | nindent 2 }}
spec:
  type: {{ .Values.service.type }}
  {{- with include "service.ipFamilies" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.service.trafficDistribution }}
  trafficDistribution: {{ . }}
  {{- end }}
  selector:
    {{- include "service.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .Values.service.port }}
      targetPort: http
      protocol: TCP
      appProtocol: http
{{- end }}

{{/* Fields of both Services that tell their IP families; may be empty. */}}
{{- define "service.ipFamilies" -}}
{{- $fields := dict }}
{{- with .Values.service.ipFamilyPolicy }}{{ $_ := set $fields "ipFamilyPolicy" . }}{{ end }}
{{- with .Values.service.ipFamilies }}{{ $_ := set $fields "ipFamilies" . }}{{ end }}
{{- with $fields }}{{ toYaml . }}{{ end }}
{{- end }}
