{{- define "service.persistentvolumeclaim" -}}
{{- include "service.setDefaults" . -}}
{{- if and (not (include "service.postgres" .)) .Values.persistence.enabled (not .Values.persistence.existingClaim) -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- /* Argo CD takes Helm's annotation for Delete=false only, and would prune the claim. */}}
  {{- $keep := dict "helm.sh/resource-policy" "keep" "argocd.argoproj.io/sync-options" "Prune=false,Delete=false" }}
  {{- $annotations := merge $keep .Values.persistence.annotations }}
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
