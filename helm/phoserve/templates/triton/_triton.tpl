{{/* Triton's command line: dict "root" $ "part" VALUES. deploy/compose.yaml starts it with the same flags. */}}
{{- define "phoserve.tritonArgs" -}}
{{- $ports := .root.Values.triton.ports -}}
- --model-repository=/repository/models
- --model-config-name={{ .part.profile }}
- --http-port={{ $ports.http }}
- --grpc-port={{ $ports.grpc }}
- --metrics-port={{ $ports.metrics }}
# Without its GPU encoder the rest still serves, on the CPU.
- --exit-on-error=false
- --strict-readiness=false
- --exit-timeout-secs=30
- --grpc-max-connection-age={{ mul .root.Values.triton.connectionAgeSeconds 1000 }}
- --grpc-max-connection-age-grace=30000
# Model control and the like only for those who know the secret.
- --http-restricted-api=model-repository,shared-memory,trace,logging:phoserve-admin=$(TRITON_ADMIN_SECRET)
- --grpc-restricted-protocol=model-repository,shared-memory,trace,logging:phoserve-admin=$(TRITON_ADMIN_SECRET)
{{- end -}}

{{/* The parts that are switched on, as a list of names. */}}
{{- define "phoserve.tritonParts" -}}
{{- range $name := list "gpu" "cpu" }}
{{- if (get $.Values.triton $name).enabled }}
- {{ $name }}
{{- end }}
{{- end }}
{{- end -}}
