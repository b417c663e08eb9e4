{{/* Backups and the restore: deploy/backup.py in an image with PostgreSQL's programs and the AWS CLI. */}}

{{- define "phoserve.qdrantPeers" -}}
{{- if .Values.qdrant.enabled -}}
{{- $name := printf "%s-qdrant" (include "phoserve.fullname" .) -}}
{{- $peers := list -}}
{{- range $number := until (int .Values.qdrant.replicas) -}}
{{- $peers = append $peers (printf "http://%s-%d.%s-headless:6333" $name $number $name) -}}
{{- end -}}
{{ join " " $peers }}
{{- else -}}
{{ .Values.qdrant.externalUrl }}
{{- end -}}
{{- end -}}

{{/* The pod: dict "root" $ "id" ID "args" LIST "readOnly" BOOL */}}
{{- define "phoserve.backupPod" -}}
{{- $values := .root.Values -}}
{{- $isFolder := hasPrefix "file://" $values.sources.url -}}
metadata:
  labels:
    {{- include "phoserve.labels" .id | nindent 4 }}
spec:
  {{- include "phoserve.pod" .id | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: backup
      image: {{ include "phoserve.image" (dict "root" .root "image" "backup") }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: {{ toJson .args }}
      env:
        - name: REGISTRY_URL
          value: {{ include "phoserve.registryUrl" .root | quote }}
        {{- include "phoserve.secretEnv" (dict "root" .root "name" "PGPASSWORD" "key" "postgresPassword") | nindent 8 }}
        - name: QDRANT_URL
          value: {{ include "phoserve.qdrantPeers" .root | quote }}
        {{- include "phoserve.secretEnv" (dict "root" .root "name" "QDRANT_API_KEY" "key" "qdrantApiKey") | nindent 8 }}
        - name: SOURCES
          value: {{ ternary "/originals" $values.sources.url $isFolder | quote }}
        - name: KEEP
          value: {{ $values.backup.keep | quote }}
        {{- with $values.backup.upload }}
        - name: UPLOAD
          value: {{ . | quote }}
        {{- end }}
        {{- range $name, $value := $values.sources.env }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
        # The AWS CLI keeps its cache there.
        - name: HOME
          value: /tmp
      resources:
        {{- include "phoserve.resources" (dict "resources" $values.backup.resources) | nindent 8 }}
      securityContext:
        {{- include "phoserve.containerSecurity" .root | nindent 8 }}
      volumeMounts:
        - name: scratch
          mountPath: /tmp
        - name: backups
          mountPath: /backup
        {{- if $isFolder }}
        - name: originals
          mountPath: /originals
          readOnly: {{ .readOnly }}
        {{- end }}
        {{- include "phoserve.registryMounts" .root | nindent 8 }}
  volumes:
    {{- include "phoserve.scratch" "1Gi" | nindent 4 }}
    - name: backups
      persistentVolumeClaim:
        claimName: {{ default (printf "%s-backups" (include "phoserve.fullname" .root)) $values.backup.volume.existingClaim }}
    {{- if $isFolder }}
    - name: originals
      persistentVolumeClaim:
        claimName: {{ default (printf "%s-originals" (include "phoserve.fullname" .root)) $values.sources.volume.existingClaim }}
    {{- end }}
    {{- include "phoserve.registryVolumes" .root | nindent 4 }}
{{- end -}}
