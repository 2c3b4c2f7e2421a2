{{- define "service.persistentvolumeclaim" -}}
{{- if and (not .Values.database.existingSecret) .Values.persistence.enabled (not .Values.persistence.existingClaim) -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- $annotations := merge (dict "helm.sh/resource-policy" "keep") .Values.persistence.annotations }}
  {{- include "service.metadata" (dict "root" . "annotations" $annotations) | nindent 2 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .Values.persistence.storageClass }}
  storageClassName: {{ . | quote }}
  {{- end }}
  resources:
    requests:
      storage: {{ .Values.persistence.size | quote }}
{{- end }}
{{- end }}
