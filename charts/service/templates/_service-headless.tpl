{{/*
DNS answers this name with the address of every ready pod, so that a client can balance between them by itself. Such a
client calls pods directly, so the port is theirs.
*/}}
{{- define "service.headlessService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ printf "%s-headless" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "component" "headless") | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  publishNotReadyAddresses: false
  selector:
    {{- include "service.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ include "service.port" . }}
      targetPort: http
      protocol: TCP
      appProtocol: http
{{- end }}
