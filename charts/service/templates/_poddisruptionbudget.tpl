{{/* Not for a single pod: the budget would block the drain of its node. */}}
{{- define "service.poddisruptionbudget" -}}
{{- include "service.setDefaults" . -}}
{{- if and .Values.podDisruptionBudget.enabled (ge (include "service.minPods" . | int) 2) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" .) | nindent 2 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready receives no traffic, so it may be evicted.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "service.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
