{{/* A HorizontalPodAutoscaler: dict "root" "component" "suffix" "autoscaling" "metric" (YAML) */}}
{{- define "phoserve.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "phoserve.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "phoserve.fullname" .root }}{{ .suffix }}
  minReplicas: {{ max 1 (int .autoscaling.minReplicas) }}
  maxReplicas: {{ .autoscaling.maxReplicas }}
  metrics:
    {{- .metric | nindent 4 }}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies:
        - { type: Percent, value: 100, periodSeconds: 30 }
    scaleDown:
      stabilizationWindowSeconds: {{ .autoscaling.cooldownSeconds | default 300 }}
      policies:
        - { type: Pods, value: 1, periodSeconds: 60 }
{{- end -}}

{{- define "phoserve.cpuMetric" -}}
- type: Resource
  resource:
    name: cpu
    target:
      type: Utilization
      averageUtilization: {{ .targetCPUUtilizationPercentage }}
{{- end -}}

{{/* A PodDisruptionBudget: dict "root" "component" "suffix" "pdb". Unhealthy pods never block a drain. */}}
{{- define "phoserve.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "phoserve.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .pdb.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "phoserve.selector" . | nindent 6 }}
{{- end -}}
