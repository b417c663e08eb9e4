{{/* Location of the model's folder, and init containers that wait for it. */}}

{{- define "phoserve.modelFolder" -}}
{{- if eq .Values.model.source "bundled" -}}
/opt/phoserve/models/bundled
{{- else -}}
/models/{{ .Values.model.name }}
{{- end -}}
{{- end -}}

{{- define "phoserve.modelClaim" -}}
{{- default (printf "%s-models" (include "phoserve.fullname" .)) .Values.model.volume.existingClaim -}}
{{- end -}}

{{- define "phoserve.modelVolume" -}}
{{- if eq .Values.model.source "volume" }}
- name: models
  persistentVolumeClaim:
    claimName: {{ include "phoserve.modelClaim" . }}
{{- else if eq .Values.model.source "image" }}
- name: models
  emptyDir:
    sizeLimit: 8Gi
{{- end }}
{{- end -}}

{{- define "phoserve.modelMount" -}}
{{- if ne .Values.model.source "bundled" }}
- name: models
  mountPath: /models
  readOnly: true
{{- end }}
{{- end -}}

{{/* The init container that provides the model's folder: dict "root" $ "image" NAME "file" FILE-TO-WAIT-FOR */}}
{{- define "phoserve.modelInit" -}}
{{- $file := printf "%s/%s" (include "phoserve.modelFolder" .root) (default "contract.json" .file) -}}
{{- $files := list $file -}}
{{- with .root.Values.model.reranker.name }}{{ $files = append $files (printf "/models/%s/contract.json" .) }}{{ end -}}
{{- range .root.Values.models }}{{ $files = append $files (printf "/models/%s/contract.json" .name) }}{{ end -}}
{{- if eq .root.Values.model.source "volume" }}
- name: wait-for-model
  image: {{ include "phoserve.image" (dict "root" .root "image" .image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [sh, -c]
  args:
    - until [ -f {{ join " ] && [ -f " $files }} ]; do echo "waiting for {{ join " and " $files }}"; sleep 5; done
  volumeMounts:
    {{- include "phoserve.modelMount" .root | nindent 4 }}
  {{- include "phoserve.initRest" . | nindent 2 }}
{{- else if eq .root.Values.model.source "image" }}
- name: copy-model
  image: {{ .root.Values.model.image.reference }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [cp, -r, {{ .root.Values.model.image.path }}, {{ include "phoserve.modelFolder" .root }}]
  volumeMounts:
    - name: models
      mountPath: /models
  {{- include "phoserve.initRest" . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "phoserve.initRest" -}}
resources:
  requests: { cpu: 10m, memory: 32Mi }
  limits: { memory: 256Mi }
securityContext:
  {{- include "phoserve.containerSecurity" . | nindent 2 }}
{{- end -}}
