{{- define "phoserve.postgresArgs" -}}
["postgres", "-c", {{ printf "max_connections=%v" .Values.postgres.maxConnections | quote }}, "-c", "shared_buffers=256MB"]
{{- end -}}
