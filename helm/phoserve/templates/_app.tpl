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
- name: PHOSERVE_LLM__CONTEXT_TOKENS
  value: {{ .Values.llm.maxModelLen | toString | quote }}
{{ include "phoserve.secretEnv" (dict "root" . "name" "PHOSERVE_LLM__API_KEY" "key" "llmApiKey") }}
{{- end }}
{{- end -}}

{{- define "phoserve.workerArgs" -}}
["--queues", {{ .queue | quote }}, "--concurrency", {{ .worker.concurrency | toString | quote }}]
{{- end -}}

{{/*
Brings the registry's schema to this release before the pod's own container starts. Several pods may run it at once.
dict "root" $ "image" api|worker
*/}}
{{- define "phoserve.migrateInit" -}}
- name: migrate
  image: {{ include "phoserve.image" . }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [phoserve, migrate]
  args: [--json, --wait-s, "300"]
  env:
    {{- include "phoserve.registryEnv" .root | nindent 4 }}
  resources:
    requests: { cpu: 50m, memory: 128Mi }
    limits: { memory: 256Mi }
  securityContext:
    {{- include "phoserve.containerSecurity" . | nindent 4 }}
  {{- with include "phoserve.registryMounts" .root }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "phoserve.registryMounts" -}}
{{- if or .Values.postgres.ca.secret .Values.postgres.ca.configMap }}
- name: postgres-ca
  mountPath: /etc/postgres-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "phoserve.registryVolumes" -}}
{{- $ca := .Values.postgres.ca }}
{{- if $ca.secret }}
- name: postgres-ca
  secret:
    secretName: {{ $ca.secret }}
    items:
      - { key: {{ $ca.key }}, path: ca.crt }
{{- else if $ca.configMap }}
- name: postgres-ca
  configMap:
    name: {{ $ca.configMap }}
    items:
      - { key: {{ $ca.key }}, path: ca.crt }
{{- end }}
{{- end -}}

{{- define "phoserve.appMounts" -}}
{{- include "phoserve.modelMount" . }}
{{- include "phoserve.registryMounts" . }}
{{- if .Values.sources.volume.enabled }}
- name: originals
  mountPath: /originals
{{- end }}
{{- end -}}

{{- define "phoserve.appVolumes" -}}
{{- include "phoserve.modelVolume" . }}
{{- include "phoserve.registryVolumes" . }}
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
