{{/*
Completes .Values: a value that is null or empty gets its default, or stays absent where its parent is documented as a whole;
text becomes a number where the default is a number. Every template of an object calls this first, because Helm renders the
templates in any order; the first call does the work.
*/}}
{{- define "service.setDefaults" -}}
{{- if not (hasKey .Values "complete") }}
{{- include "service.complete" (dict "values" .Values "rules" (include "service.defaults" . | fromJson) "path" "") }}
{{- $_ := set .Values "complete" true }}
{{- end }}
{{- end }}

{{/* Completes a mapping in place. Takes a dict: values, rules, path (with a dot at its end). */}}
{{- define "service.complete" -}}
{{- range $name, $rule := .rules }}
{{- $path := print $.path $name }}
{{- $value := get $.values $name }}
{{- $empty := or (not (hasKey $.values $name)) (kindIs "invalid" $value) (and (eq (toString $value) "") (or $rule.number $rule.default)) }}
{{- if and $empty $rule.nothing }}
{{- fail (printf "%s is set to nothing: %s." $path $rule.nothing) }}
{{- else if $empty }}
{{- $_ := unset $.values $name }}
{{- if hasKey $rule "default" }}
{{- $_ := set $.values $name (deepCopy $rule.default) }}
{{- end }}
{{- else if $rule.number }}
{{- $_ := set $.values $name (include "service.number" (dict "value" $value "rule" $rule "path" $path) | fromYaml).value }}
{{- end }}
{{- if and $rule.members (hasKey $.values $name) }}
{{- include "service.complete" (dict "values" (get $.values $name) "rules" $rule.members "path" (print $path ".")) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A number that may be given as text, as a YAML mapping with the member "value". The schema checks the limits of numbers, this
those of text. Other text, such as a percentage or a quantity, stays as it is. Takes a dict: value, rule, path.
*/}}
{{- define "service.number" -}}
{{- $text := toString .value }}
{{- if not (kindIs "string" .value) }}
value: {{ ternary (int64 .value) .value (eq (floor .value) (float64 .value)) }}
{{- else if not (regexMatch "^[0-9]*\\.?[0-9]+([eE][-+]?[0-9]+)?$" $text) }}
value: {{ quote $text }}
{{- else }}
{{- $number := float64 $text }}
{{- with .rule }}
{{- $limits := list }}
{{- if and .enum (not (has $number .enum)) }}{{ $limits = append $limits (printf "one of %s" (join ", " .enum)) }}{{ end }}
{{- if and (hasKey . "minimum") (lt $number .minimum) }}{{ $limits = append $limits (printf "at least %v" .minimum) }}{{ end }}
{{- if and (hasKey . "maximum") (gt $number .maximum) }}{{ $limits = append $limits (printf "at most %v" .maximum) }}{{ end }}
{{- if and (hasKey . "exclusiveMinimum") (le $number .exclusiveMinimum) }}{{ $limits = append $limits (printf "more than %v" .exclusiveMinimum) }}{{ end }}
{{- if and (hasKey . "exclusiveMaximum") (ge $number .exclusiveMaximum) }}{{ $limits = append $limits (printf "less than %v" .exclusiveMaximum) }}{{ end }}
{{- if $limits }}
{{- fail (printf "%s is %s, but must be %s." $.path $text (join " and " $limits)) }}
{{- end }}
{{- end }}
value: {{ ternary (int64 $number) $number (eq (floor $number) $number) }}
{{- end }}
{{- end }}
