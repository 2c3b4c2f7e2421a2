{{/*
`helm test` runs this pod, the release's own image. Its labels keep it out of Services and the PodDisruptionBudget, and
its name is the one by which NetworkPolicies let the release's pods through. A failed one stays, to be read.
*/}}
{{- define "service.testPod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ printf "%s-test-api" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "component" "test" "annotations" (include "service.testHook" . | fromYaml)) | nindent 2 }}
spec:
  {{- include "service.podSpec" . | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: test
      image: {{ include "service.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - test
        - --url={{ include "service.url" . }}
        {{- with include "service.testArgs" . }}
        {{- . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
{{- end }}

{{/*
The pod is gone when a test has passed, and its log with it, so Helm prints that before; also of one that failed, which
is what whoever ran the test asks for next. Versions of Helm that do not know the annotation leave it alone.
*/}}
{{- define "service.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
{{- end }}
