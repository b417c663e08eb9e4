{{/* Triton's command line: dict "root" $ "part" VALUES. deploy/compose.yaml uses the same flags. The image adds its secrets (cli/triton_launch.py). */}}
{{- define "phoserve.tritonArgs" -}}
{{- $ports := .root.Values.triton.ports -}}
- --model-repository=/repository/models
- --model-config-name={{ .part.profile }}
- --http-port={{ $ports.http }}
- --grpc-port={{ $ports.grpc }}
- --metrics-port={{ $ports.metrics }}
# If the GPU encoder cannot load, the server still serves from the CPU.
- --exit-on-error=false
- --strict-readiness=false
- --exit-timeout-secs=30
- --grpc-max-connection-age={{ mul .root.Values.triton.connectionAgeSeconds 1000 }}
- --grpc-max-connection-age-grace=30000
{{- end -}}

{{/* Names of the enabled parts: gpu and cpu for the default model and those without pods of their own, then MODEL-gpu and MODEL-cpu. */}}
{{- define "phoserve.tritonParts" -}}
{{- range $name := list "gpu" "cpu" }}
{{- if (get $.Values.triton $name).enabled }}
- {{ $name }}
{{- end }}
{{- end }}
{{- range $model := $.Values.models }}
{{- if $model.triton }}
{{- range $kind := list "gpu" "cpu" }}
{{- $own := mergeOverwrite (deepCopy (get $.Values.triton $kind)) (get $model.triton $kind | default dict) }}
{{- if $own.enabled }}
- {{ include "phoserve.modelSlug" $model }}-{{ $kind }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A model's name as part of a Kubernetes name. */}}
{{- define "phoserve.modelSlug" -}}
{{- .name | lower | replace "." "-" | replace "_" "-" | trunc 20 | trimSuffix "-" -}}
{{- end -}}

{{/* The values of a part with what it serves, as YAML: dict "root" $ "name" NAME. A model's own pods inherit triton.gpu and triton.cpu. */}}
{{- define "phoserve.tritonPart" -}}
{{- $values := .root.Values -}}
{{- $result := dict -}}
{{- if has .name (list "gpu" "cpu") -}}
{{- $also := list -}}
{{- range $model := $values.models }}{{ if not $model.triton }}{{ $also = append $also (printf "/models/%s" $model.name) }}{{ end }}{{ end -}}
{{- $result = merge (dict "kind" .name "folder" (include "phoserve.modelFolder" .root) "also" $also "reranker" $values.model.reranker.name "precision" $values.model.precision) (deepCopy (get $values.triton .name)) -}}
{{- else -}}
{{- $name := .name -}}
{{- range $model := $values.models -}}
{{- range $kind := list "gpu" "cpu" -}}
{{- if and $model.triton (eq $name (printf "%s-%s" (include "phoserve.modelSlug" $model) $kind)) -}}
{{- $own := mergeOverwrite (deepCopy (get $values.triton $kind)) (get $model.triton $kind | default dict) -}}
{{- $result = merge (dict "kind" $kind "folder" (printf "/models/%s" $model.name) "also" list "precision" ($model.precision | default "")) $own -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $result -}}
{{- end -}}

{{/* The components of all parts, as a list. */}}
{{- define "phoserve.tritonComponents" -}}
{{- range $name := include "phoserve.tritonParts" . | fromYamlArray }}
- triton-{{ $name }}
{{- end }}
{{- end -}}
