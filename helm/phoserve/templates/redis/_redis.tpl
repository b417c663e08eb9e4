{{/* A full queue refuses, so that nothing is dropped in silence; what is not queued is found by reconciling. */}}
{{- define "phoserve.redisArgs" -}}
["--port", "6379", "--save", "", "--appendonly", "no", "--maxmemory", {{ .Values.redis.maxmemory | quote }}, "--maxmemory-policy", "noeviction", "--requirepass", "$(REDIS_PASSWORD)"]
{{- end -}}
