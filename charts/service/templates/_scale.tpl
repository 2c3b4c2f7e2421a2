{{/* service.scale with the Deployment of the cluster. */}}
{{- define "service.currentScale" -}}
{{- include "service.scale" (dict "root" . "live" (lookup "apps/v1" "Deployment" .Release.Namespace (include "service.fullname" .))) }}
{{- end }}

{{/*
Who sets the number of pods. Takes a dict: root, and live, the Deployment in the cluster, empty if there is none. Returns a
YAML mapping: "replicas", absent if the manifest leaves the field out; "pods", the number of pods to expect; "annotations" of
the Deployment, which tell the next upgrade what this manifest has:
- replicas/set-by is there if the chart does not set the number, and says who does.
- replicas/in-manifest is there if the manifest contains the current number nevertheless. A field that a manifest no longer
  has falls to its default, 1, unless another field manager owns it. This is so with patches by the client, which know no
  owners, and with server-side apply while only Helm owns the field.
*/}}
{{- define "service.scale" -}}
{{- $values := .root.Values }}
{{- $live := .live | default dict }}
{{- $running := dig "spec" "replicas" 1 $live | int }}
{{- $noted := dig "metadata" "annotations" dict $live | default dict }}
{{- $before := get $noted "replicas/set-by" }}
{{- $setBy := "" }}
{{- $kept := printf "others, while replicaCount is %v" $values.replicaCount }}
{{- if $values.autoscaling.enabled }}
{{- $setBy = "autoscaler" }}
{{- else if not (hasKey $values "replicaCount") }}
{{- $setBy = "others" }}
{{- else if and (include "service.postgres" .root) (has $before (list "autoscaler" $kept)) }}
{{- $setBy = $kept }}
{{- end }}
{{- if not $setBy }}
replicas: {{ $values.replicaCount }}
pods: {{ $values.replicaCount }}
annotations: {}
{{- else }}
{{- if and $live (not (include "service.mayOmitReplicas" (dict "root" .root "live" $live "noted" $noted))) }}
{{- if $values.autoscaling.enabled }}
{{- $running = min (max $running $values.autoscaling.minReplicas) $values.autoscaling.maxReplicas }}
{{- end }}
replicas: {{ $running }}
annotations: {replicas/set-by: {{ quote $setBy }}, replicas/in-manifest: "true"}
{{- else }}
annotations: {replicas/set-by: {{ quote $setBy }}}
{{- end }}
pods: {{ if $values.autoscaling.enabled }}{{ $values.autoscaling.minReplicas }}{{ else if $live }}{{ $running }}{{ else }}2{{ end }}
{{- end }}
{{- end }}

{{/*
"true" if a manifest without replicas leaves the number of a live Deployment alone: the manifest before did not have it
either, or server-side apply finds another owner. Takes a dict: root, live, noted (the annotations of live).
*/}}
{{- define "service.mayOmitReplicas" -}}
{{- $applied := false }}
{{- $helm := false }}
{{- $others := false }}
{{- range dig "metadata" "managedFields" list .live }}
{{- $owns := hasKey (dig "fieldsV1" "f:spec" dict .) "f:replicas" }}
{{- if has .manager (list "helm" "helm-controller") }}{{/* the second is Flux */}}
{{- $applied = or $applied (eq .operation "Apply") }}
{{- $helm = or $helm $owns }}
{{- else }}
{{- $others = or $others $owns }}
{{- end }}
{{- end }}
{{- $absentBefore := and (hasKey .noted "replicas/set-by") (not (hasKey .noted "replicas/in-manifest")) }}
{{- $serverSide := and $applied (not (hasPrefix "v3." .root.Capabilities.HelmVersion.Version)) }}
{{- if or $absentBefore (and $serverSide (or $others (not $helm))) }}true{{ end }}
{{- end }}
