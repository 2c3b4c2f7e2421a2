{{/*
The name of most objects of a release. Under an alias it contains the alias, since an umbrella chart can have the chart
twice. A release name in which users and orders occur cannot be the name of both.
*/}}
{{- define "service.fullname" -}}
{{- $name := include "service.name" . }}
{{- $both := and (not .Chart.IsRoot) (contains "users" .Release.Name) (contains "orders" .Release.Name) }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if ne .Chart.Name $name }}
{{- printf "%s-%s" .Release.Name (.Chart.Name | lower | replace "_" "-") }}
{{- else if and (contains $name .Release.Name) (not $both) }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- end }}

{{/* Name of the ServiceAccount of the pods. */}}
{{- define "service.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "service.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* Reference of the image, by digest or by tag. */}}
{{- define "service.image" -}}
{{- include "service.repository" . }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/*
Repository of the image. global.imageRegistry replaces its registry: what stands before the first slash, if that has a dot
or a colon or is "localhost", as container runtimes read it.
*/}}
{{- define "service.repository" -}}
{{- $repository := .Values.image.repository }}
{{- with dig "imageRegistry" "" (.Values.global | default dict) }}
{{- $path := regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "" }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $path }}
{{- end }}
{{- $repository }}
{{- end }}

{{/* References of the Secrets to pull images with, those of global first. An item of the values is a name or a reference. */}}
{{- define "service.imagePullSecrets" -}}
{{- $names := list }}
{{- range concat (dig "imagePullSecrets" list (.Values.global | default dict) | default list) (.Values.imagePullSecrets | default list) }}
{{- if kindIs "map" . }}
{{- $names = append $names .name }}
{{- else }}
{{- $names = append $names . }}
{{- end }}
{{- end }}
{{- range uniq $names }}
- name: {{ . | quote }}
{{- end }}
{{- end }}

{{/* URL of the Service. The dot at the end makes the name absolute, so the resolver does not try its search domains first. */}}
{{- define "service.url" -}}
http://{{ include "service.fullname" . }}.{{ .Release.Namespace }}.svc.{{ trimSuffix "." .Values.clusterDomain }}.:{{ .Values.service.port }}
{{- end }}

{{/* The lowest number of pods. */}}
{{- define "service.minPods" -}}
{{- (include "service.currentScale" . | fromYaml).pods }}
{{- end }}
