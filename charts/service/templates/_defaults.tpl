{{/*
Completes .Values: a value that is null or empty gets its default, or stays absent where its parent is documented as a whole;
text becomes a number or a boolean where the default is one; null members of what is copied into the objects are removed.
Every template of an object calls this first, because Helm renders the templates in any order; the first call does the work.
*/}}
{{- define "service.setDefaults" -}}
{{- if not (hasKey .Values "complete") }}
{{- include "service.complete" (dict "values" .Values "rules" (include "service.valueRules" . | fromJson) "path" "") }}
{{- range $name, $value := omit .Values "extraObjects" "global" }}
{{- include "service.removeNulls" $value }}
{{- end }}
{{- $_ := set .Values "complete" true }}
{{- end }}
{{- end }}

{{/* Removes the null members of mappings from a value, in place, at any level. */}}
{{- define "service.removeNulls" -}}
{{- $value := . }}
{{- if kindIs "map" $value }}
{{- range $name, $member := $value }}
{{- if kindIs "invalid" $member }}
{{- $_ := unset $value $name }}
{{- else }}
{{- include "service.removeNulls" $member }}
{{- end }}
{{- end }}
{{- else if kindIs "slice" $value }}
{{- range $value }}
{{- include "service.removeNulls" . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Completes a mapping in place. Takes a dict: values, rules, path (with a dot at its end). */}}
{{- define "service.complete" -}}
{{- range $name, $rule := .rules }}
{{- $path := print $.path $name }}
{{- $value := index $.values $name }}
{{- $empty := or (kindIs "invalid" $value) (and (eq (toString $value) "") (ne (toJson $rule.default) `""`)) }}
{{- if and $empty $rule.nothing }}
{{- fail (printf "%s is set to nothing: %s." $path $rule.nothing) }}
{{- else if $empty }}
{{- $_ := unset $.values $name }}
{{- if hasKey $rule "default" }}
{{- $_ := set $.values $name (deepCopy $rule.default) }}
{{- end }}
{{- else if kindIs "string" $value }}
{{- if and $rule.number (regexMatch "^[0-9]*\\.?[0-9]+([eE][-+]?[0-9]+)?$" $value) }}
{{- include "service.checkLimits" (dict "text" $value "rule" $rule "path" $path) }}
{{- $_ := set $.values $name (float64 $value) }}
{{- else if $rule.boolean }}
{{- $_ := set $.values $name (eq $value "true") }}
{{- end }}
{{- end }}
{{- $number := get $.values $name }}
{{- if and (kindIs "float64" $number) (eq (floor $number) $number) }}
{{- $_ := set $.values $name (int64 $number) }}
{{- end }}
{{- if and $rule.members (hasKey $.values $name) }}
{{- include "service.complete" (dict "values" (get $.values $name) "rules" $rule.members "path" (print $path ".")) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Fails if a number that is given as text is out of its limits. The schema checks other numbers. Takes a dict: text, rule, path. */}}
{{- define "service.checkLimits" -}}
{{- $number := float64 .text }}
{{- $limits := list }}
{{- with .rule }}
{{- if and .enum (not (has $number .enum)) }}{{ $limits = append $limits (printf "one of %s" (join ", " .enum)) }}{{ end }}
{{- if and (hasKey . "minimum") (lt $number .minimum) }}{{ $limits = append $limits (printf "at least %v" .minimum) }}{{ end }}
{{- if and (hasKey . "maximum") (gt $number .maximum) }}{{ $limits = append $limits (printf "at most %v" .maximum) }}{{ end }}
{{- if and (hasKey . "exclusiveMinimum") (le $number .exclusiveMinimum) }}{{ $limits = append $limits (printf "more than %v" .exclusiveMinimum) }}{{ end }}
{{- if and (hasKey . "exclusiveMaximum") (ge $number .exclusiveMaximum) }}{{ $limits = append $limits (printf "less than %v" .exclusiveMaximum) }}{{ end }}
{{- end }}
{{- if $limits }}
{{- fail (printf "%s is %s, but must be %s." .path .text (join " and " $limits)) }}
{{- end }}
{{- end }}
