{{/*
DNS resolves this name to the addresses of all ready pods, so that a client can do the load balancing. Such a client
connects to the pods directly, so the port is the container's.
*/}}
{{- define "service.headlessService" -}}
{{- include "service.setDefaults" . -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ printf "%s-headless" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "component" "headless") | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  {{- with include "service.ipFamilies" . }}
  {{- . | nindent 2 }}
  {{- end }}
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
