{{/* Blocks shared by the API's and the workers' pods, in addition to their environment. */}}

{{- define "phoserve.apiArgs" -}}
["--host", "0.0.0.0", "--port", {{ .Values.api.port | toString | quote }}]
{{- end -}}

{{- define "phoserve.apiEnv" -}}
- name: PHOSERVE_KEYS__FILE
  value: /etc/phoserve/api-keys.json
- name: PHOSERVE_HTTP__METRICS_PORT
  value: "9100"
- name: PHOSERVE_LIMITS__DRAIN_S
  value: {{ sub .Values.api.terminationGracePeriodSeconds (add .Values.api.drainSeconds 5) | quote }}
{{- if or .Values.llm.enabled .Values.llm.externalUrl }}
- name: PHOSERVE_LLM__URL
  value: {{ ternary (printf "http://%s-llm:8000/v1" (include "phoserve.fullname" .)) .Values.llm.externalUrl .Values.llm.enabled }}
- name: PHOSERVE_LLM__MODEL
  value: {{ .Values.llm.model }}
{{ include "phoserve.secretEnv" (dict "root" . "name" "PHOSERVE_LLM__API_KEY" "key" "llmApiKey") }}
{{- end }}
{{- end -}}

{{- define "phoserve.workerArgs" -}}
["--queues", {{ .queue | quote }}, "--concurrency", {{ .worker.concurrency | toString | quote }}]
{{- end -}}

{{- define "phoserve.appMounts" -}}
{{- include "phoserve.modelMount" . }}
{{- if .Values.sources.volume.enabled }}
- name: originals
  mountPath: /originals
{{- end }}
{{- end -}}

{{- define "phoserve.appVolumes" -}}
{{- include "phoserve.modelVolume" . }}
{{- if .Values.sources.volume.enabled }}
- name: originals
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-originals" (include "phoserve.fullname" .)) .Values.sources.volume.existingClaim }}
{{- end }}
{{- end -}}

{{/* The worker touches this file while it runs and reaches its broker. */}}
{{- define "phoserve.workerEnv" -}}
- name: PHOSERVE_WORKER__HEARTBEAT_FILE
  value: /tmp/heartbeat
- name: PHOSERVE_WORKER__METRICS_PORT
  value: "9100"
{{- end -}}

{{- define "phoserve.workerProbes" -}}
startupProbe:
  exec: { command: [sh, -c, "test -f /tmp/heartbeat"] }
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  exec: { command: [sh, -c, "test -n \"$(find /tmp/heartbeat -mmin -2)\""] }
  periodSeconds: 30
  timeoutSeconds: 5
  failureThreshold: 4
{{- end -}}

{{/* HOST:PORT for KEDA */}}
{{- define "phoserve.redisAddress" -}}
{{- if .Values.redis.enabled -}}
{{ include "phoserve.fullname" . }}-redis.{{ .Release.Namespace }}:6379
{{- else -}}
{{- $host := (urlParse .Values.redis.externalUrl).host -}}
{{- ternary $host (printf "%s:6379" $host) (contains ":" $host) -}}
{{- end -}}
{{- end -}}
