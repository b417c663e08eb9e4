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

{{/* Names of the enabled parts. */}}
{{- define "phoserve.tritonParts" -}}
{{- range $name := list "gpu" "cpu" }}
{{- if (get $.Values.triton $name).enabled }}
- {{ $name }}
{{- end }}
{{- end }}
{{- end -}}
