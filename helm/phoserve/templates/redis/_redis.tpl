{{/* A full queue rejects tasks instead of dropping them silently. Reconciling finds documents that were not queued. */}}
{{- define "phoserve.redisArgs" -}}
["--port", "6379", "--save", "", "--appendonly", "no", "--maxmemory", {{ .Values.redis.maxmemory | quote }}, "--maxmemory-policy", "noeviction", "--requirepass", "$(REDIS_PASSWORD)"]
{{- end -}}
