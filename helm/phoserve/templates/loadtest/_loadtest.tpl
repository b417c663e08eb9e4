{{/* A Locust Job: dict "root" $ "role" master|worker "replicas" COUNT "args" LIST. Jobs are immutable: `run` creates new ones. */}}
{{- define "phoserve.loadtestJob" -}}
{{- $part := .root.Values.loadtest -}}
{{- $hash := list $part (include "phoserve.image" (dict "root" .root "image" "loadtest")) | toJson | sha256sum | trunc 8 -}}
{{- $id := dict "root" .root "component" (printf "loadtest-%s" .role) "suffix" (printf "-loadtest-%s-%s" .role $hash) "part" $part "account" "-backend" -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "phoserve.metadata" $id | nindent 2 }}
spec:
  parallelism: {{ .replicas }}
  completions: {{ .replicas }}
  # No retries: they would hide a failed test.
  backoffLimit: 0
  ttlSecondsAfterFinished: 86400
  template:
    metadata:
      labels:
        {{- include "phoserve.labels" $id | nindent 8 }}
    spec:
      {{- include "phoserve.pod" $id | nindent 6 }}
      restartPolicy: Never
      containers:
        - name: locust
          image: {{ include "phoserve.image" (dict "root" .root "image" "loadtest") }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          env:
            {{- include "phoserve.secretEnv" (dict "root" .root "name" "PHOSERVE_KEY" "key" "loadtestKey") | nindent 12 }}
            {{- include "phoserve.secretEnv" (dict "root" .root "name" "TRITON_API_KEY" "key" "tritonKey" "optional" (not .root.Values.triton.requireKey)) | nindent 12 }}
            {{- range $name, $value := $part.env }}
            - { name: {{ $name }}, value: {{ $value | quote }} }
            {{- end }}
          {{- if eq .role "master" }}
          ports:
            - { name: locust, containerPort: 5557 }
          {{- end }}
          resources:
            {{- include "phoserve.resources" (dict "resources" $part.resources) | nindent 12 }}
          securityContext:
            {{- include "phoserve.containerSecurity" .root | nindent 12 }}
          volumeMounts:
            - { name: scratch, mountPath: /tmp }
      volumes:
        {{- include "phoserve.scratch" "1Gi" | nindent 8 }}
{{- end -}}
