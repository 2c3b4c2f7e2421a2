{{- define "service.notes" -}}
{{- $n := include "service.fullname" . -}}
{{ .Chart.Name }} {{ .Chart.AppVersion }} is installed as "{{ .Release.Name }}"
{{- if .Values.database.existingSecret }}, on PostgreSQL.
{{- else if .Values.persistence.enabled }}, with its data in a SQLite file on the claim "{{ .Values.persistence.existingClaim | default $n }}". The claim outlives `helm uninstall`.
{{- else }}, with its data in a SQLite file that is lost with the pod.
{{- end }}

Wait until it is ready:

  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ $n }}

See whether it works:

  helm --namespace {{ .Release.Namespace }} test {{ .Release.Name }}

Call it:

  kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ $n }} {{ include "service.port" . }}:{{ .Values.service.port }}
  curl http://localhost:{{ include "service.port" . }}{{ include "service.path" . }}
{{- end }}
