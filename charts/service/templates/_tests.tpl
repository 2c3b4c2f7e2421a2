{{/*
`helm test` runs this pod. It has the release's own image, whose `test` command calls the API. Its component label keeps it
out of Services and the PodDisruptionBudget; its name label is the one by which NetworkPolicies admit the service's pods. A
failed pod is not deleted, so that it can be examined.
*/}}
{{- define "service.testPod" -}}
{{- include "service.setDefaults" . -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ printf "%s-test-api" (include "service.fullname" .) | quote }}
  {{- include "service.metadata" (dict "root" . "component" "test" "annotations" (merge (include "service.testHook" . | fromYaml) .Values.test.annotations)) | nindent 2 }}
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
Helm deletes the pod of a test that has passed. With the output-log-policy it prints the log before that, and the log of a
failed test too. Versions of Helm that do not know this annotation ignore it.
*/}}
{{- define "service.testHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
{{- end }}
