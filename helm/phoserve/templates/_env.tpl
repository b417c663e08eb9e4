{{/* The environment of the API and the workers: addresses and secrets. deploy/compose.yaml sets the same variables. */}}
{{- define "phoserve.env" -}}
{{- $fullname := include "phoserve.fullname" .root -}}
{{- $values := .root.Values -}}
- name: PHOSERVE_MODEL__FOLDER
  value: {{ include "phoserve.modelFolder" .root }}
- name: PHOSERVE_TRITON__URL
  value: {{ include "phoserve.tritonUrl" (dict "root" .root "part" (ternary "gpu" "cpu" $values.triton.gpu.enabled)) }}
{{ include "phoserve.secretEnv" (dict "root" .root "name" "PHOSERVE_TRITON__API_KEY" "key" "tritonKey" "optional" (not $values.triton.requireKey)) }}
{{- if and $values.triton.gpu.enabled $values.triton.cpu.enabled }}
- name: PHOSERVE_TRITON__FALLBACK_URL
  value: {{ include "phoserve.tritonUrl" (dict "root" .root "part" "cpu") }}
{{- end }}
{{- $root := .root }}
{{- $folders := list }}
{{- $servers := dict }}
{{- range $model := $values.models }}
{{- $folder := printf "/models/%s" $model.name }}
{{- $folders = append $folders $folder }}
{{- if $model.triton }}
{{- $slug := include "phoserve.modelSlug" $model }}
{{- $parts := include "phoserve.tritonParts" $root | fromYamlArray }}
{{- $own := list }}
{{- range $kind := list "gpu" "cpu" }}
{{- $part := printf "%s-%s" $slug $kind }}
{{- if has $part $parts }}{{ $own = append $own (include "phoserve.tritonUrl" (dict "root" $root "part" $part)) }}{{ end }}
{{- end }}
{{- $server := dict "url" (first $own) }}
{{- if gt (len $own) 1 }}{{ $_ := set $server "fallback_url" (last $own) }}{{ end }}
{{- $_ := set $servers $folder $server }}
{{- end }}
{{- end }}
- name: PHOSERVE_MODELS__FOLDERS
  value: {{ toJson $folders | squote }}
{{- if $servers }}
- name: PHOSERVE_MODELS__SERVERS
  value: {{ toJson $servers | squote }}
{{- end }}
{{- if $values.model.reranker.name }}
- name: PHOSERVE_TRITON__RERANKER
  value: phobert_reranker
{{- end }}
- name: PHOSERVE_QDRANT__URL
  value: {{ ternary (printf "http://%s-qdrant:6333" $fullname) $values.qdrant.externalUrl $values.qdrant.enabled }}
{{- if and $values.qdrant.enabled (gt (int $values.qdrant.replicas) 1) }}
- name: PHOSERVE_QDRANT__SHARDS
  value: {{ default $values.qdrant.replicas $values.qdrant.collections.shards | quote }}
- name: PHOSERVE_QDRANT__REPLICAS
  value: {{ default 3 $values.qdrant.collections.copies | quote }}
{{- end }}
{{ include "phoserve.secretEnv" (dict "root" .root "name" "PHOSERVE_QDRANT__API_KEY" "key" "qdrantApiKey") }}
{{ include "phoserve.registryEnv" .root }}
{{ include "phoserve.secretEnv" (dict "root" .root "name" "REDIS_PASSWORD" "key" "redisPassword") }}
- name: PHOSERVE_REDIS__URL
  value: {{ include "phoserve.redisUrl" .root }}
- name: PHOSERVE_SOURCES__URL
  value: {{ $values.sources.url }}
{{- range $name, $value := $values.sources.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with $values.monitoring.otlpEndpoint }}
- name: PHOSERVE_TRACING__OTLP_ENDPOINT
  value: {{ . }}
{{- end }}
{{- range $name, $value := $values.settings }}
- name: PHOSERVE_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The database of the registry. */}}
{{- define "phoserve.registryEnv" -}}
- name: PHOSERVE_REGISTRY__URL
  value: {{ include "phoserve.registryUrl" . | quote }}
{{ include "phoserve.secretEnv" (dict "root" . "name" "PHOSERVE_REGISTRY__PASSWORD" "key" "postgresPassword") }}
{{- end -}}

{{- define "phoserve.registryUrl" -}}
{{ default (printf "postgresql://phoserve@%s-postgres:5432/phoserve" (include "phoserve.fullname" .)) .Values.postgres.externalUrl }}
{{- end -}}

{{/* gRPC resolves every pod behind the headless Service and uses them round robin. dict "root" $ "part" gpu|cpu */}}
{{- define "phoserve.tritonUrl" -}}
dns:///{{ include "phoserve.fullname" .root }}-triton-{{ .part }}-headless:{{ .root.Values.triton.ports.grpc }}
{{- end -}}

{{/* Kubernetes inserts the password when the container starts. */}}
{{- define "phoserve.redisUrl" -}}
{{- if .Values.redis.enabled -}}
redis://:$(REDIS_PASSWORD)@{{ include "phoserve.fullname" . }}-redis:6379/0
{{- else -}}
{{- .Values.redis.externalUrl | replace "://" "://:$(REDIS_PASSWORD)@" -}}
{{- end -}}
{{- end -}}
