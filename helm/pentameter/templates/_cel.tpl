{{/*
A piece of a pod as an expression in CEL. Takes a dict: value, type (the name of its type, which follows its path), plain
(whether it is a map of strings and not a struct). The API server wants objects of named types: its CEL has no map whose values
are of several types.
*/}}
{{- define "pentameter.cel" -}}
{{- $type := .type -}}
{{- $plain := .plain -}}
{{- if kindIs "map" .value -}}
{{- if hasKey .value "$cel" -}}
({{ get .value "$cel" }})
{{- else -}}
{{- range $key, $_ := .value -}}
{{- if not (regexMatch "^[A-Za-z_][A-Za-z0-9_]*$" $key) }}{{ $plain = true }}{{ end -}}
{{- end -}}
{{- $strings := list "volumeAttributes" "limits" "requests" "matchLabels" "labels" "annotations" -}}
{{- $parts := list -}}
{{- range $key, $value := .value -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $below := include "pentameter.cel" (dict "value" $value "type" (printf "%s.%s" $type $key) "plain" (has $key $strings)) -}}
{{- $parts = append $parts (printf "%s: %s" (ternary (toJson $key) $key $plain) $below) -}}
{{- end -}}
{{- end -}}
{{- ternary "" $type $plain }}{ {{- join ", " $parts -}} }
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- $parts := list -}}
{{- range $value := .value -}}
{{- $parts = append $parts (include "pentameter.cel" (dict "value" $value "type" $type "plain" false)) -}}
{{- end -}}
[{{ join ", " $parts }}]
{{- else if kindIs "string" .value -}}
{{ toJson .value }}
{{- else if kindIs "bool" .value -}}
{{ .value }}
{{- else if $plain -}}
{{ toString .value | quote }}
{{- else -}}
{{ int64 .value }}
{{- end -}}
{{- end -}}
