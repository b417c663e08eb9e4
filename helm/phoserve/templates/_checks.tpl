{{/* Checks that a schema cannot express. Each message has the problem and the fix. */}}
{{- define "phoserve.check" -}}
{{- if not .ok }}{{ fail (printf "\n\nphoserve: %s\n" .message) }}{{ end -}}
{{- end -}}

{{- define "phoserve.checks" -}}
{{- $v := .Values -}}
{{- $public := or $v.api.ingress.enabled $v.api.httpRoute.enabled (ne $v.api.service.type "ClusterIP") -}}
{{- include "phoserve.check" (dict "ok" (or $v.secrets.name (not $public)) "message" "the API would be reachable from outside the cluster without API keys. Create a Secret with the key file (README.md, \"Secrets\") and set secrets.name to its name.") -}}
{{- include "phoserve.check" (dict "ok" $v.secrets.name "message" "secrets.name is empty. Create a Secret with API keys and passwords (README.md, \"Secrets\") and set secrets.name to its name.") -}}
{{- include "phoserve.check" (dict "ok" (or $v.triton.gpu.enabled $v.triton.cpu.enabled) "message" "neither triton.gpu.enabled nor triton.cpu.enabled is true, so nothing would compute embeddings. Enable one.") -}}
{{- include "phoserve.check" (dict "ok" (or $v.qdrant.enabled $v.qdrant.externalUrl) "message" "qdrant.enabled is false: set qdrant.externalUrl to the address of your Qdrant, e.g. http://qdrant.data:6333.") -}}
{{- include "phoserve.check" (dict "ok" (not (and $v.qdrant.enabled $v.qdrant.externalUrl)) "message" "qdrant.externalUrl is set, but qdrant.enabled is true: set qdrant.enabled to false to use the external one.") -}}
{{- include "phoserve.check" (dict "ok" (ne (int $v.qdrant.replicas) 2) "message" "qdrant.replicas is 2, and two peers have no majority: use 1 or at least 3.") -}}
{{- include "phoserve.check" (dict "ok" (or $v.postgres.enabled $v.postgres.externalUrl) "message" "postgres.enabled is false: set postgres.externalUrl to the address of your PostgreSQL, e.g. postgresql://phoserve@db.example.com:5432/phoserve?sslmode=verify-full.") -}}
{{- include "phoserve.check" (dict "ok" (not (regexMatch "^[a-z]+://[^/@]*:[^/@]*@" $v.postgres.externalUrl)) "message" "postgres.externalUrl contains a password: remove it, the password comes from the secret.") -}}
{{- include "phoserve.check" (dict "ok" (not (and $v.postgres.ca.secret $v.postgres.ca.configMap)) "message" "postgres.ca.secret and postgres.ca.configMap are both set: choose one.") -}}
{{- include "phoserve.check" (dict "ok" (or $v.redis.enabled $v.redis.externalUrl) "message" "redis.enabled is false: set redis.externalUrl to the address of your Redis, e.g. rediss://cache.example.com:6379/0.") -}}
{{- include "phoserve.check" (dict "ok" (not (and $v.redis.enabled $v.redis.externalUrl)) "message" "redis.externalUrl is set, but redis.enabled is true: set redis.enabled to false to use the external one.") -}}
{{- include "phoserve.check" (dict "ok" (not (contains "@" $v.redis.externalUrl)) "message" "redis.externalUrl contains a password or user: remove it, the password comes from the secret.") -}}
{{- include "phoserve.check" (dict "ok" (not (and $v.llm.enabled $v.llm.externalUrl)) "message" "llm.enabled and llm.externalUrl are both set: choose one LLM.") -}}
{{- include "phoserve.check" (dict "ok" (or (not (hasPrefix "file://" $v.sources.url)) $v.sources.volume.enabled) "message" "sources.url is a folder, but sources.volume.enabled is false, so originals would be lost with their pod: enable the volume, or use s3://, gs:// or az://.") -}}
{{- include "phoserve.check" (dict "ok" (not (and (hasPrefix "file://" $v.sources.url) (ne $v.sources.url "file:///originals"))) "message" "sources.url is a folder other than file:///originals, where the volume is mounted: use file:///originals.") -}}
{{- include "phoserve.check" (dict "ok" (or (hasPrefix "file://" $v.sources.url) (not $v.sources.volume.enabled)) "message" "originals go to an object store, but sources.volume.enabled is true: set it to false, because the volume would stay empty.") -}}
{{- include "phoserve.check" (dict "ok" (le (int $v.qdrant.collections.copies) (int $v.qdrant.replicas)) "message" (printf "qdrant.collections.copies is %v, but there are %v peers for one copy each: increase qdrant.replicas or decrease copies." $v.qdrant.collections.copies $v.qdrant.replicas)) -}}
{{- include "phoserve.checksOfBackups" . -}}
{{- include "phoserve.checksOfModels" . -}}
{{- include "phoserve.checksOfSettings" . -}}
{{- include "phoserve.checksOfModel" . -}}
{{- include "phoserve.checksOfRoutes" . -}}
{{- include "phoserve.checksOfScaling" . -}}
{{- $out := include "phoserve.externalUrls" . | fromYamlArray -}}
{{- $closed := and $v.networkPolicy.enabled (not $v.networkPolicy.external.cidrs) (not $v.networkPolicy.egress) -}}
{{- include "phoserve.check" (dict "ok" (not (and $closed $out)) "message" (printf "%s is outside this release, and the network policies allow no egress: add its network to networkPolicy.external.cidrs, or a rule to networkPolicy.egress." (join ", " $out))) -}}
{{- end -}}

{{- define "phoserve.checksOfModel" -}}
{{- $v := .Values -}}
{{- include "phoserve.check" (dict "ok" (or (not $v.model.export.enabled) (eq $v.model.source "volume")) "message" "model.export fills a volume: set model.source to volume.") -}}
{{- include "phoserve.check" (dict "ok" (or (ne $v.model.source "image") $v.model.image.reference) "message" "model.source is image: set model.image.reference to the image with the model folder.") -}}
{{- include "phoserve.check" (dict "ok" (or (not $v.model.reranker.name) (eq $v.model.source "volume")) "message" "model.reranker is a folder on the model volume: set model.source to volume.") -}}
{{- include "phoserve.check" (dict "ok" (or (not $v.model.reranker.name) (not $v.model.export.enabled) $v.model.reranker.source) "message" "model.reranker.name is set and model.export is on: set model.reranker.source to the model to export, such as a model id of the hub.") -}}
{{- if $v.triton.gpu.enabled -}}
{{- include "phoserve.check" (dict "ok" (ne $v.model.source "bundled") "message" "triton.gpu is enabled, but the bundled encoder runs on CPUs only: set model.source to volume or image, or use triton.cpu alone.") -}}
{{- include "phoserve.check" (dict "ok" (ge (int $v.triton.gpu.gpu.count) 1) "message" "triton.gpu is enabled without a GPU: set triton.gpu.gpu.count to 1, or triton.gpu.enabled to false.") -}}
{{- include "phoserve.check" (dict "ok" (contains "/" $v.triton.gpu.gpu.resource) "message" "triton.gpu.gpu.resource must be a resource that the node offers, e.g. nvidia.com/gpu (kubectl describe node: Allocatable).") -}}
{{- end -}}
{{- $plan := and $v.triton.gpu.enabled (eq $v.triton.gpu.profile "tensorrt") -}}
{{- include "phoserve.check" (dict "ok" (or (not $plan) (ne $v.model.source "volume") $v.model.plan.enabled) "message" "triton.gpu.profile is tensorrt, which needs a plan built on this GPU: set model.plan.enabled, or use the profile ort-tensorrt.") -}}
{{- include "phoserve.check" (dict "ok" (or (not $v.model.plan.enabled) (and $v.triton.gpu.enabled (eq $v.model.source "volume"))) "message" "model.plan needs triton.gpu.enabled and model.source volume: it builds on the GPU and writes to the volume.") -}}
{{- end -}}

{{- define "phoserve.checksOfBackups" -}}
{{- $v := .Values -}}
{{- if or $v.backup.enabled $v.backup.restore -}}
{{- include "phoserve.check" (dict "ok" (or (hasPrefix "file://" $v.sources.url) (hasPrefix "s3://" $v.sources.url)) "message" (printf "backup copies originals from a volume or from s3://, not from %s: set backup.enabled to false, and use the versioning and replication of the object store with your own copies of PostgreSQL." $v.sources.url)) -}}
{{- end -}}
{{- end -}}

{{/* More models are on the volume, under names of their own. */}}
{{- define "phoserve.checksOfModels" -}}
{{- $v := .Values -}}
{{- include "phoserve.check" (dict "ok" (or (not $v.models) (eq $v.model.source "volume")) "message" "models need a volume for their folders: set model.source to volume.") -}}
{{- $names := list $v.model.name $v.model.reranker.name -}}
{{- $slugs := list -}}
{{- range $model := $v.models -}}
{{- include "phoserve.check" (dict "ok" (not (has $model.name $names)) "message" (printf "the model %q is listed twice: give one of them another name." $model.name)) -}}
{{- $names = append $names $model.name -}}
{{- $slug := include "phoserve.modelSlug" $model -}}
{{- include "phoserve.check" (dict "ok" (not (and $model.triton (has $slug $slugs))) "message" (printf "the models named %q... have the same names for their pods: rename one of them." $slug)) -}}
{{- if $model.triton }}{{ $slugs = append $slugs $slug }}{{ end -}}
{{- if $model.triton -}}
{{- $parts := include "phoserve.tritonParts" $ | fromYamlArray -}}
{{- include "phoserve.check" (dict "ok" (or (has (printf "%s-gpu" $slug) $parts) (has (printf "%s-cpu" $slug) $parts)) "message" (printf "models: %q has pods of its own, but none are enabled: set triton.cpu.enabled or triton.gpu.enabled in it." $model.name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Settings that the chart manages would be set twice in the pod. */}}
{{- define "phoserve.checksOfSettings" -}}
{{- $v := .Values -}}
{{- $own := dict "MODEL__FOLDER" "model.source and model.name" "MODELS__FOLDERS" "models" "MODELS__SERVERS" "models" "TRITON__URL" "triton.gpu and triton.cpu" "TRITON__API_KEY" "secrets" "TRITON__FALLBACK_URL" "triton.cpu" "TRITON__RERANKER" "model.reranker.name" "QDRANT__URL" "qdrant.externalUrl" "QDRANT__API_KEY" "secrets" "REGISTRY__URL" "postgres.externalUrl" "REGISTRY__PASSWORD" "secrets" "REDIS__URL" "redis.externalUrl" "SOURCES__URL" "sources.url" "TRACING__OTLP_ENDPOINT" "monitoring.otlpEndpoint" "KEYS__FILE" "secrets" "HTTP__METRICS_PORT" "nothing: the monitors use it" "LIMITS__DRAIN_S" "api.terminationGracePeriodSeconds" "LLM__URL" "llm" "LLM__MODEL" "llm.model" "LLM__CONTEXT_TOKENS" "llm.maxModelLen" "LLM__API_KEY" "secrets" "WORKER__HEARTBEAT_FILE" "nothing: the probes use it" "WORKER__METRICS_PORT" "nothing: the monitors use it" -}}
{{- if $v.qdrant.enabled -}}
{{- $_ := set $own "QDRANT__SHARDS" "qdrant.collections.shards" -}}
{{- $_ := set $own "QDRANT__REPLICAS" "qdrant.collections.copies" -}}
{{- end -}}
{{- range $name, $_ := $v.settings -}}
{{- include "phoserve.check" (dict "ok" (not (hasKey $own $name)) "message" (printf "settings.%s is managed by the chart: set %s instead." $name (get $own $name))) -}}
{{- end -}}
{{- $answer := int (default 120 $v.settings.LIMITS__ANSWER_TIMEOUT_S) -}}
{{- $least := add $v.api.drainSeconds $answer 5 -}}
{{- include "phoserve.check" (dict "ok" (ge (int $v.api.terminationGracePeriodSeconds) (int $least)) "message" (printf "an answer may stream for %d s, and a rollout would interrupt it: set api.terminationGracePeriodSeconds to %d or more, or decrease settings.LIMITS__ANSWER_TIMEOUT_S." $answer $least)) -}}
{{- end -}}

{{- define "phoserve.checksOfRoutes" -}}
{{- $in := .Values.api.ingress -}}
{{- $route := .Values.api.httpRoute -}}
{{- include "phoserve.check" (dict "ok" (or (not $in.enabled) $in.host) "message" "api.ingress is enabled without a host name: set api.ingress.host.") -}}
{{- include "phoserve.check" (dict "ok" (or (not $in.enabled) $in.tlsSecretName $in.tlsByController) "message" "api.ingress is enabled without TLS, so API keys would be sent unencrypted: set api.ingress.tlsSecretName, or api.ingress.tlsByController if the controller has the certificate.") -}}
{{- include "phoserve.check" (dict "ok" (or (not $route.enabled) (and $route.parentRefs $route.hostnames)) "message" "api.httpRoute is enabled without a gateway or a host name: set api.httpRoute.parentRefs and api.httpRoute.hostnames.") -}}
{{- end -}}

{{- define "phoserve.checksOfScaling" -}}
{{- $parts := dict "api" .Values.api "triton.gpu" .Values.triton.gpu "triton.cpu" .Values.triton.cpu -}}
{{- range $queue, $worker := .Values.workers -}}
{{- $_ := set $parts (printf "workers.%s" $queue) $worker -}}
{{- end -}}
{{- range $name, $part := $parts -}}
{{- $s := $part.autoscaling -}}
{{- include "phoserve.check" (dict "ok" (le (int $s.minReplicas) (int $s.maxReplicas)) "message" (printf "%s.autoscaling.minReplicas (%v) is above maxReplicas (%v)." $name $s.minReplicas $s.maxReplicas)) -}}
{{- end -}}
{{- end -}}
