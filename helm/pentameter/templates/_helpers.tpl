{{/* Names and labels that all objects share. */}}

{{- define "pentameter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Helm lets a release have dots in its name, the name of a Service must not. */}}
{{- define "pentameter.fullname" -}}
{{- $release := replace "." "-" .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimAll "-" -}}
{{- else if contains (include "pentameter.name" .) $release -}}
{{- $release | trunc 52 | trimAll "-" -}}
{{- else -}}
{{- printf "%s-%s" $release (include "pentameter.name" .) | trunc 52 | trimAll "-" -}}
{{- end -}}
{{- end -}}

{{- define "pentameter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pentameter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "pentameter.labels" -}}
{{ include "pentameter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: pentameter
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Metadata of an object. Takes a dict: root, name, and optionally namespace ("-" for none), labels, annotations. */}}
{{- define "pentameter.metadata" -}}
{{- $own := fromYaml (include "pentameter.labels" .root) -}}
{{- /* What Services and monitors select by cannot be replaced: they would find nothing, and say nothing. */ -}}
{{- $selected := fromYaml (include "pentameter.selectorLabels" .root) -}}
{{- $labels := mustMergeOverwrite (dict) $own .root.Values.commonLabels $selected (default (dict) .labels) -}}
{{- $annotations := mustMergeOverwrite (dict) .root.Values.commonAnnotations (default (dict) .annotations) -}}
metadata:
  name: {{ .name | quote }}
  {{- if ne (default "" .namespace) "-" }}
  namespace: {{ default .root.Release.Namespace .namespace | quote }}
  {{- end }}
  labels:
    {{- toYaml $labels | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "pentameter.image" -}}
{{- $global := default (dict) .Values.global -}}
{{- $registry := default .Values.image.registry $global.imageRegistry -}}
{{- $image := ternary (printf "%s/%s" $registry .Values.image.repository) .Values.image.repository (ne $registry "") -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $image .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "pentameter.monitorKind" -}}
{{- if ne .Values.monitor.kind "auto" -}}
{{- .Values.monitor.kind -}}
{{- else -}}
{{- ternary "ServiceMonitor" "PodMonitor" (eq .Values.mode "standalone") -}}
{{- end -}}
{{- end -}}

{{/* The job label that the operator gives the exporter's series. */}}
{{- define "pentameter.job" -}}
{{- if eq (include "pentameter.monitorKind" .) "ServiceMonitor" -}}
{{- include "pentameter.fullname" . -}}
{{- else -}}
{{- printf "%s/%s" (default .Release.Namespace .Values.monitor.namespace) (include "pentameter.fullname" .) -}}
{{- end -}}
{{- end -}}
