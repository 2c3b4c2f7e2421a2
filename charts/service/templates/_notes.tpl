{{/* What `helm install` prints. */}}
{{- define "service.notes" -}}
{{- include "service.setDefaults" . -}}
{{- $n := include "service.fullname" . -}}
{{ include "service.name" . }} {{ .Chart.AppVersion }} is installed as "{{ .Release.Name }}"
{{- if include "service.postgres" . }}, on PostgreSQL.
{{- else if not .Values.persistence.enabled }}, with its data in a SQLite file that is lost with the pod.
{{- else if .Values.persistence.existingClaim }}, with its data in a SQLite file on the claim "{{ .Values.persistence.existingClaim }}".
{{- else }}, with its data in a SQLite file on the claim "{{ $n }}", which outlives `helm uninstall`.
{{- end }} {{ include "service.relatedService" . }}
{{- include "service.missingSecret" . }}
{{- include "service.deniedTraffic" . }}
{{- include "service.numberOfPods" . }}

Wait until it is ready:

  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ $n }}

Test it:

  helm --namespace {{ .Release.Namespace }} test {{ .Release.Name }}

Call it:

  kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ $n }} {{ include "service.port" . }}:{{ .Values.service.port }}

and, while that runs, in another terminal:

  curl http://localhost:{{ include "service.port" . }}{{ include "service.path" . }}
{{- if .Values.console.enabled }}

or in a browser: http://localhost:{{ include "service.port" . }}/
{{- end }}
{{- with include "service.externalURLs" . | trim }}

Call it from outside the cluster:

  {{ . | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* Hints about enabled features whose traffic the NetworkPolicy denies. */}}
{{- define "service.deniedTraffic" -}}
{{- with .Values.networkPolicy }}
{{- if and .enabled (not .allowFrom) (or $.Values.ingress.enabled $.Values.httpRoute.enabled) }}

The NetworkPolicy denies traffic from ingress controllers and Gateways in other namespaces: add them to networkPolicy.allowFrom.
{{- end }}
{{- if and .enabled (not .allowFrom) (ne $.Values.service.type "ClusterIP") }}

The NetworkPolicy denies traffic from outside the cluster, which a Service of the type {{ $.Values.service.type }} leads to the pods. Name the addresses of its callers, or of the nodes or the load balancer if those replace them, as `{ipBlock: {cidr: …}}`: add them to networkPolicy.allowFrom.
{{- end }}
{{- if and .enabled (not .allowFrom) (not .metricsFrom) $.Values.serviceMonitor.enabled }}

The NetworkPolicy denies traffic from a Prometheus in another namespace: add it to networkPolicy.metricsFrom.
{{- end }}
{{- end }}
{{- end }}

{{/*
Who sets the number of pods if not replicaCount. With server-side apply a number that another manager has set is a conflict
for an upgrade or rollback that sets it too.
*/}}
{{- define "service.numberOfPods" -}}
{{- $scale := include "service.currentScale" . | fromYaml }}
{{- $kubectl := printf "kubectl --namespace %s scale deployment/%s --replicas" .Release.Namespace (include "service.fullname" .) }}
{{- $setBy := get $scale.annotations "replicas/set-by" }}
{{- if hasPrefix "others, while" $setBy }}

The number of pods stays as the autoscaler left it, until replicaCount changes. Set the number first, so that Helm may set it too:

  {{ $kubectl }}=NUMBER
{{- else if and $setBy (hasKey $scale "replicas") }}

The number of pods, {{ $scale.replicas }}, is in the manifest of this revision. A rollback to this revision or one before sets its number or,
with server-side apply, fails if another one was set since. `helm upgrade` to the earlier chart and values keeps the number.
{{- else if and (not $setBy) (include "service.postgres" .) }}

The number of pods is replicaCount. If something else has scaled the Deployment, an upgrade or rollback by Helm 4 fails with a
conflict on .spec.replicas. Scale to the number of the manifest first:

  {{ $kubectl }}={{ $scale.replicas }}
{{- end }}
{{- end }}

{{/* How to create the Secret if the cluster does not have it. Without a cluster, it is not found either. */}}
{{- define "service.missingSecret" -}}
{{- with .Values.database }}
{{- if .existingSecret }}
{{- if not (lookup "v1" "Secret" $.Release.Namespace .existingSecret) }}

Its pods start when there is a Secret "{{ .existingSecret }}" with the key "{{ .secretKey }}". To create it:

  kubectl --namespace {{ $.Release.Namespace }} create secret generic {{ .existingSecret }} --from-literal={{ .secretKey }}='postgres://USER:PASSWORD@HOST:{{ .port }}/DATABASE'
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* URLs at the Ingress and the Gateways; an asterisk stands for any host. */}}
{{- define "service.externalURLs" -}}
{{- $path := include "service.path" . }}
{{- if .Values.ingress.enabled }}
{{- $tlsHosts := list }}
{{- range .Values.ingress.tls }}
{{- $tlsHosts = concat $tlsHosts (.hosts | default (list "*")) }}
{{- end }}
{{- range .Values.ingress.hosts | default (list "*") }}
{{- $wildcard := regexReplaceAll "^[^.]*" . "*" }}
{{ ternary "https" "http" (or (has . $tlsHosts) (has $wildcard $tlsHosts) (has "*" $tlsHosts)) }}://{{ . }}{{ $path }}
{{- end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- range .Values.httpRoute.hostnames | default (list "*") }}
{{ . }}{{ $path }}, with the scheme and port of the Gateway
{{- end }}
{{- end }}
{{- end }}
