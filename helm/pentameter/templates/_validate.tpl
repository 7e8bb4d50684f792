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
{{- if and (eq .Values.mode "injector") (gt (len (toYaml $config)) 131072) -}}
{{- fail (printf "config: %d bytes. It becomes an annotation of each pod, whose annotations may have 262144 together, and a pod with more is refused; 131072 are left for `config`" (len (toYaml $config))) -}}
{{- end -}}
{{- include "pentameter.validateMounts" . -}}
{{- include "pentameter.validateScrapes" . -}}
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

{{/* Mounts that no container could start with: over another one, or inside one that cannot be written to. */}}
{{- define "pentameter.validateMounts" -}}
{{- $taken := list "/etc/pentameter" "/var/lib/pentameter" "/var/run/secrets/kubernetes.io/serviceaccount" -}}
{{- range $index, $mount := .Values.secretMounts -}}
{{- $path := clean $mount.mountPath -}}
{{- range $other := $taken -}}
{{- if or (eq $path $other) (hasPrefix (printf "%s/" $other) $path) (hasPrefix (printf "%s/" (trimSuffix "/" $path)) $other) -}}
{{- fail (printf "secretMounts[%d].mountPath: %s and %s, which is mounted too, are the same or lie in one another; the pod could not start" $index $path $other) -}}
{{- end -}}
{{- end -}}
{{- $taken = append $taken $path -}}
{{- end -}}
{{- end -}}

{{/* The Prometheus operator leaves out a monitor whose scrape may last longer than the time between two, and says nothing. */}}
{{- define "pentameter.validateScrapes" -}}
{{- $monitor := .Values.monitor -}}
{{- $interval := include "pentameter.milliseconds" $monitor.interval | int64 -}}
{{- $timeout := include "pentameter.milliseconds" $monitor.scrapeTimeout | int64 -}}
{{- if and $monitor.enabled (gt $timeout $interval) -}}
{{- fail (printf "monitor.scrapeTimeout: %s is longer than monitor.interval, %s; the Prometheus operator would leave the monitor out" $monitor.scrapeTimeout $monitor.interval) -}}
{{- end -}}
{{- end -}}

{{/* A duration such as 1m30s in milliseconds. */}}
{{- define "pentameter.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $sum := 0 -}}
{{- range $part := regexFindAll "[0-9]+(ms|[smhdwy])" . -1 -}}
{{- $unit := regexFind "[a-z]+$" $part -}}
{{- $sum = add $sum (mul (trimSuffix $unit $part | atoi) (get $units $unit)) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
