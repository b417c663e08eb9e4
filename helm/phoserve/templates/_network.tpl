{{/* Peers by component: dict "root" $ "components" LIST */}}
{{- define "phoserve.peers" -}}
{{- $root := .root -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ include "phoserve.name" $root }}
      app.kubernetes.io/instance: {{ $root.Release.Name }}
    matchExpressions:
      - key: app.kubernetes.io/component
        operator: In
        values: {{ toJson .components }}
{{- end -}}

{{- define "phoserve.workerComponents" -}}
{{- range $queue, $worker := .Values.workers }}
{{- if $worker.enabled }}
- worker-{{ $queue }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The API, all workers and the reembed Job. */}}
{{- define "phoserve.appComponents" -}}
- api
{{- if .Values.reembed.enabled }}
- model-reembed
{{- end }}
{{- include "phoserve.workerComponents" . }}
{{- end -}}

{{/* What calls Qdrant and PostgreSQL: these and backups. */}}
{{- define "phoserve.storeComponents" -}}
{{ include "phoserve.appComponents" . }}
{{- if or .Values.backup.enabled .Values.backup.restore }}
- backup
{{- end }}
{{- end -}}

{{/* Egress of backups: Qdrant, PostgreSQL and addresses outside. */}}
{{- define "phoserve.storeEgress" -}}
{{- if .Values.qdrant.enabled }}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "qdrant")) | nindent 4 }}
  ports:
    - { port: 6333 }
{{- end }}
{{- if not .Values.postgres.externalUrl }}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "postgres")) | nindent 4 }}
  ports:
    - { port: 5432 }
{{- end }}
{{- include "phoserve.externalEgress" (dict "root" . "ports" (include "phoserve.externalPorts" . | fromYamlArray)) }}
{{- with .Values.networkPolicy.egress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Egress of the API and the workers. */}}
{{- define "phoserve.appEgress" -}}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (include "phoserve.tritonComponents" . | fromYamlArray)) | nindent 4 }}
  ports:
    - { port: {{ .Values.triton.ports.grpc }} }
{{- if .Values.qdrant.enabled }}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "qdrant")) | nindent 4 }}
  ports:
    - { port: 6333 }
    - { port: 6334 }
{{- end }}
{{- if not .Values.postgres.externalUrl }}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "postgres")) | nindent 4 }}
  ports:
    - { port: 5432 }
{{- end }}
{{- if .Values.redis.enabled }}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "redis")) | nindent 4 }}
  ports:
    - { port: 6379 }
{{- end }}
{{- include "phoserve.externalEgress" (dict "root" . "ports" (include "phoserve.externalPorts" . | fromYamlArray)) }}
{{- with .Values.networkPolicy.egress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Addresses in the settings outside this release, one per line. */}}
{{- define "phoserve.externalUrls" -}}
{{- $values := .Values -}}
{{- $urls := list (ternary "" $values.qdrant.externalUrl $values.qdrant.enabled) (ternary "" $values.redis.externalUrl $values.redis.enabled) -}}
{{- range concat $urls (list $values.postgres.externalUrl $values.llm.externalUrl $values.monitoring.otlpEndpoint ($values.sources.env.AWS_ENDPOINT | default "")) }}
{{- with . }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- with int (default 6334 $values.settings.QDRANT__GRPC_PORT) }}
{{- if not $values.qdrant.enabled }}
- {{ printf "grpc://qdrant:%v" . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Their ports, in addition to those in `networkPolicy.external`. */}}
{{- define "phoserve.externalPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.external.ports }}{{ $ports = append $ports (int .) }}{{ end -}}
{{- $usual := dict "http" 80 "https" 443 "redis" 6379 "rediss" 6379 "postgresql" 5432 "postgres" 5432 -}}
{{- range include "phoserve.externalUrls" . | fromYamlArray -}}
{{- $url := urlParse . -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- $ports = append $ports (int (default (get $usual $url.scheme) $port)) -}}
{{- end -}}
{{- uniq $ports | toYaml -}}
{{- end -}}

{{/* Egress to networks outside the cluster: dict "root" $ "ports" LIST */}}
{{- define "phoserve.externalEgress" -}}
{{- $external := .root.Values.networkPolicy.external }}
{{- with $external.cidrs }}
- to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
        {{- if eq . "0.0.0.0/0" }}
        except: {{ toJson $external.except }}
        {{- end }}
    {{- end }}
  ports:
    {{- range $.ports }}
    - { port: {{ . }} }
    {{- end }}
{{- end }}
{{- end -}}
