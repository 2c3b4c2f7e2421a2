{{/* Every object of a chart, in the order of their dependence. Each stands in the file of its name. */}}
{{- define "service.objects" -}}
{{- include "service.validate" . }}
{{- range list "serviceaccount" "configmap" "persistentvolumeclaim" "deployment" "service" "headless" "networkpolicy" "poddisruptionbudget" "horizontalpodautoscaler" "ingress" "httproute" "servicemonitor" "prometheusrule" "dashboards" "test" }}
{{- with include (printf "service.%s" .) $ }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end }}
