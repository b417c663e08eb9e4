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

{{/* The API and all workers. */}}
{{- define "phoserve.appComponents" -}}
- api
{{- include "phoserve.workerComponents" . }}
{{- end -}}

{{/* What the API and the workers call. */}}
{{- define "phoserve.appEgress" -}}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "triton-gpu" "triton-cpu")) | nindent 4 }}
  ports:
    - { port: {{ .Values.triton.ports.grpc }} }
{{- if .Values.qdrant.enabled }}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "qdrant")) | nindent 4 }}
  ports:
    - { port: 6333 }
    - { port: 6334 }
{{- end }}
{{- if .Values.redis.enabled }}
- to:
    {{- include "phoserve.peers" (dict "root" . "components" (list "redis")) | nindent 4 }}
  ports:
    - { port: 6379 }
{{- end }}
{{- include "phoserve.externalEgress" . }}
{{- end -}}

{{- define "phoserve.externalEgress" -}}
{{- $external := .Values.networkPolicy.external }}
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
    {{- range $external.ports }}
    - { port: {{ . }} }
    {{- end }}
{{- end }}
{{- end -}}
