{{/* Names, labels, images and blocks shared by all pods. */}}

{{- define "phoserve.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that "-triton-gpu-headless" still fits a DNS label. */}}
{{- define "phoserve.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "phoserve.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "phoserve.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select a component: dict "root" $ "component" NAME. They never change, because selectors of Deployments are immutable. */}}
{{- define "phoserve.selector" -}}
app.kubernetes.io/name: {{ include "phoserve.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "phoserve.labels" -}}
{{ include "phoserve.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* metadata of a namespaced object: dict "root" $ "component" NAME "suffix" "-x" */}}
{{- define "phoserve.metadata" -}}
name: {{ include "phoserve.fullname" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "phoserve.labels" . | nindent 2 }}
{{- end -}}

{{/* One of our own images: dict "root" $ "image" api|worker|triton|export */}}
{{- define "phoserve.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := get $image.digests .image -}}
{{- printf "%s/%s" $image.registry .image -}}
{{- if $digest }}@{{ $digest }}{{ else }}:{{ default .root.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/* A third-party image: dict "repository" "tag" "digest" */}}
{{- define "phoserve.foreignImage" -}}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end -}}
{{- end -}}

{{/* The restricted pod security standard with an unprivileged user. Qdrant's and Redis's images run as any user. */}}
{{- define "phoserve.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "phoserve.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Head of a pod's spec: dict "root" $ "component" NAME "part" VALUES "account" NAME */}}
{{- define "phoserve.pod" -}}
serviceAccountName: {{ include "phoserve.fullname" .root }}{{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "phoserve.podSecurity" . | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .part.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.topologySpread }}
topologySpreadConstraints:
  {{- $selector := include "phoserve.selector" $ }}
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ .topologyKey }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Annotations of a pod template; a changed secret revision creates new pods. */}}
{{- define "phoserve.podAnnotations" -}}
phoserve/secrets-revision: {{ .root.Values.secrets.revision | quote }}
{{- with .part.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* resources, with the GPU among the limits: dict "resources" "gpu" */}}
{{- define "phoserve.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- with .gpu -}}
{{- $_ := set $resources "limits" (merge (dict .resource .count) ($resources.limits | default dict)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* A variable from the release's secret: dict "root" $ "name" ENV "key" VALUE-OF-secrets.keys, "optional" BOOL */}}
{{- define "phoserve.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.secrets.name }}
      key: {{ get .root.Values.secrets.keys .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* Writable volumes of a container with a read-only root file system. */}}
{{- define "phoserve.scratch" -}}
- name: scratch
  emptyDir:
    sizeLimit: {{ . }}
{{- end -}}
