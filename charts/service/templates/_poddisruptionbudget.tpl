{{/* Not for a single pod: it would block the drain of its node for ever. */}}
{{- define "service.poddisruptionbudget" -}}
{{- if and .Values.podDisruptionBudget.enabled (ge (include "service.leastPods" . | int) 2) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- include "service.metadata" (dict "root" .) | nindent 2 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready serves nobody, so it may go.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "service.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
