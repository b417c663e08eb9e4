{{- define "phoserve.llmArgs" -}}
[{{ .Values.llm.model | quote }}, "--port", "8000", "--max-model-len", {{ .Values.llm.maxModelLen | toString | quote }}]
{{- end -}}
