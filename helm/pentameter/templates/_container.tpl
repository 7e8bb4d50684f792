{{/*
The exporter's container, as YAML: once for the Deployment, once for the policy that adds it to pods. Takes a dict: root, and
injected (a boolean). A value {"$cel": EXPRESSION} is evaluated by the API server.
*/}}
{{- define "pentameter.container" -}}
{{- $values := .root.Values -}}
{{- $config := $values.config -}}
name: pentameter
image: {{ include "pentameter.image" .root }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args:
  - serve
  {{- with $values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: pentameter
    containerPort: {{ $values.port }}
    protocol: TCP
{{- if and .injected $values.injector.envConfigMap }}
envFrom:
  - configMapRef:
      name: {{ $values.injector.envConfigMap }}
      optional: true
{{- end }}
env:
  - name: PENTAMETER_CONFIG
    value: /etc/pentameter/config.yaml
  - name: PENTAMETER_LISTEN
    value: "{{ $values.listenAddress }}:{{ $values.port }}"
  {{- if and $values.state.enabled (not $config.state_file) }}
  - name: PENTAMETER_STATE_FILE
    value: /var/lib/pentameter/state.json
  {{- end }}
  {{- if .injected }}
  {{- include "pentameter.injectedEnv" .root | nindent 2 }}
  {{- end }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if $values.livenessProbe.enabled }}
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ $values.port }}
    scheme: HTTP
  {{- toYaml (omit $values.livenessProbe "enabled") | nindent 2 }}
  successThreshold: 1
{{- end }}
terminationMessagePath: /dev/termination-log
terminationMessagePolicy: File
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: pentameter-config
    mountPath: /etc/pentameter
    readOnly: true
  {{- if $values.state.enabled }}
  - name: pentameter-state
    mountPath: /var/lib/pentameter
  {{- end }}
  {{- if and .injected $values.injector.hideServiceAccountToken }}
  - name: pentameter-no-token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- end }}
  {{- range $index, $mount := $values.secretMounts }}
  - name: pentameter-secret-{{ $index }}
    mountPath: {{ $mount.mountPath }}
    readOnly: true
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Whether the pod has an annotation, in CEL. */}}
{{- define "pentameter.hasAnnotation" -}}
(has(object.metadata.annotations) && {{ toJson . }} in object.metadata.annotations)
{{- end -}}

{{/* Variables that only make sense in somebody else's pod. */}}
{{- define "pentameter.injectedEnv" -}}
{{- $injector := .Values.injector -}}
{{- if not (dig "vllm" "servers" (list) .Values.config) -}}
- name: PENTAMETER_VLLM_URL
  value:
    $cel: >-
      {{ include "pentameter.hasAnnotation" "pentameter.io/vllm-url" }}
      ? object.metadata.annotations["pentameter.io/vllm-url"] : {{ toJson $injector.vllmUrl }}
{{- end }}
{{- if not (dig "economics" "labels_file" "" .Values.config) }}
- name: PENTAMETER_ECONOMICS__LABELS_FILE
  value: /etc/pentameter/labels
{{- end }}
{{- if $injector.dcgm.enabled }}
{{- range $name, $field := dict "HOST_IP" "status.hostIP" "PENTAMETER_DCGM__POD" "metadata.name" "PENTAMETER_DCGM__NAMESPACE" "metadata.namespace" }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: {{ $field }}
{{- end }}
- name: PENTAMETER_DCGM__URL
  value: "http://$(HOST_IP):{{ $injector.dcgm.port }}"
{{- end }}
{{- end -}}

{{/* The volumes of that container, as a YAML mapping with the key volumes. Takes the same dict. */}}
{{- define "pentameter.volumes" -}}
{{- $values := .root.Values -}}
volumes:
  - name: pentameter-config
    {{- if .injected }}
    downwardAPI:
      defaultMode: 292
      items:
        - path: config.yaml
          fieldRef:
            apiVersion: v1
            fieldPath: metadata.annotations['pentameter.io/config']
        - path: labels
          fieldRef:
            apiVersion: v1
            fieldPath: metadata.labels
    {{- else }}
    configMap:
      name: {{ include "pentameter.fullname" .root }}-config
      defaultMode: 292
    {{- end }}
  {{- if $values.state.enabled }}
  - name: pentameter-state
    {{- if and (not .injected) (or $values.state.persistence.enabled $values.state.persistence.existingClaim) }}
    persistentVolumeClaim:
      claimName: {{ default (printf "%s-state" (include "pentameter.fullname" .root)) $values.state.persistence.existingClaim }}
    {{- else }}
    emptyDir:
      sizeLimit: {{ $values.state.sizeLimit }}
    {{- end }}
  {{- end }}
  {{- if and .injected $values.injector.hideServiceAccountToken }}
  - name: pentameter-no-token
    emptyDir: {}
  {{- end }}
  {{- $injected := .injected }}
  {{- range $index, $mount := $values.secretMounts }}
  - name: pentameter-secret-{{ $index }}
    secret:
      secretName: {{ $mount.name }}
      defaultMode: {{ ternary 292 288 $injected }}
      optional: {{ or $injected (default false $mount.optional) }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
