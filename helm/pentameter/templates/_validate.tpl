{{/* What no schema can say: settings that contradict each other. */}}
{{- define "pentameter.validate" -}}
{{- $config := .Values.config -}}
{{- if $config.listen -}}
{{- fail "config.listen: set `port` instead, which the probes and monitors follow" -}}
{{- end -}}
{{- $live := dig "grid" "live" (dict) $config -}}
{{- if kindIs "map" $live -}}
{{- range $key := list "token" "password" -}}
{{- if hasKey $live $key -}}
{{- fail (printf "config.grid.live.%s: a ConfigMap is no place for it; mount a Secret with `secretMounts` and name its file in %s_file" $key $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $servers := dig "vllm" "servers" (list) $config -}}
{{- if kindIs "slice" $servers -}}
{{- range $index, $server := $servers -}}
{{- if and (kindIs "map" $server) (hasKey $server "bearer_token") -}}
{{- fail (printf "config.vllm.servers[%d].bearer_token: a ConfigMap is no place for it; mount a Secret with `secretMounts` and name its file in bearer_token_file" $index) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.mode "standalone") (not $servers) -}}
{{- fail "config.vllm.servers: standalone needs the URLs of the servers to watch" -}}
{{- end -}}
{{- if and (eq (include "pentameter.monitorKind" .) "ServiceMonitor") (ne .Values.mode "standalone") .Values.monitor.enabled -}}
{{- fail "monitor.kind: only standalone has a Service; sidecars take a PodMonitor" -}}
{{- end -}}
{{- if and .Values.dashboards.grafanaOperator.enabled (not .Values.dashboards.configMap.enabled) .Values.dashboards.enabled -}}
{{- fail "dashboards.configMap.enabled: the Grafana operator's resources refer to the ConfigMaps" -}}
{{- end -}}
{{- if .Values.keda.enabled -}}
{{- if not .Values.keda.scaleTargetRef.name -}}{{- fail "keda.scaleTargetRef.name: say what is to be scaled" -}}{{- end -}}
{{- if not .Values.keda.slo -}}{{- fail "keda.slo: without an SLO there is no capacity to scale by" -}}{{- end -}}
{{- if and (eq .Values.keda.trigger "metrics-api") (not .Values.keda.metricsApi.serviceName) -}}
{{- fail "keda.metricsApi.serviceName: the trigger metrics-api asks the exporters behind a Service" -}}
{{- end -}}
{{- end -}}
{{- end -}}
