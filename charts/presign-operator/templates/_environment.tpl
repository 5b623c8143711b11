{{- /* The operator's settings. Each variable stands for a flag. */ -}}

{{- define "presign-operator.environment" -}}
- name: PRESIGN_LOG
  value: {{ .Values.logLevel | quote }}
- name: PRESIGN_LOG_FORMAT
  value: {{ .Values.logFormat | quote }}
- name: PRESIGN_MAX_IN_FLIGHT
  value: {{ .Values.maxInFlight | quote }}
- name: PRESIGN_LEADER_ELECT
  value: {{ .Values.leaderElection.enabled | quote }}
- name: PRESIGN_LEASE_NAME
  value: {{ include "presign-operator.fullname" . }}
- name: PRESIGN_LEASE_DURATION
  value: {{ .Values.leaderElection.leaseDuration | quote }}
- name: PRESIGN_DENY_SECRET_METADATA
  value: {{ join "," .Values.limits.denySecretMetadata | quote }}
- name: PRESIGN_ALLOW_ENDPOINTS
  value: {{ join "," .Values.limits.allowEndpoints | quote }}
- name: PRESIGN_INLINE_CREDENTIALS
  value: {{ .Values.inlineCredentials }}
- name: PRESIGN_CLUSTER_SIGNERS
  value: {{ .Values.signers.clusterSigners | quote }}
- name: PRESIGN_SIGNER_NAMESPACE
  value: {{ include "presign-operator.signerNamespace" . | quote }}
{{- if .Values.signers.namespaceSelectors }}
- name: PRESIGN_NAMESPACE_SELECTORS
  value: "true"
{{- end }}
{{- with .Values.namespaces }}
- name: PRESIGN_NAMESPACE
  value: {{ join "," . | quote }}
{{- end }}
{{- if .Values.rbac.minimal }}
- name: PRESIGN_SECRET_ACCESS
  value: get
{{- end }}
{{- if .Values.pods.enabled }}
- name: PRESIGN_PODS
  value: "true"
{{- end }}
{{- with .Values.webIdentity }}
{{- if .enabled }}
- name: PRESIGN_TOKEN_AUDIENCES
  value: {{ join "," .audiences | quote }}
{{- end }}
{{- end }}
{{- if .Values.ambientCredentials }}
- name: PRESIGN_AMBIENT_CREDENTIALS
  value: "true"
{{- end }}
{{- with .Values.sts }}
{{- if ne (join "," .endpoints) "aws" }}
- name: PRESIGN_STS_ENDPOINTS
  value: {{ join "," .endpoints | quote }}
{{- end }}
{{- if or .caBundle.configMapName .caBundle.secretName }}
- name: PRESIGN_CA_BUNDLE
  value: /etc/presign-operator/sts/ca.crt
{{- end }}
{{- with .httpsProxy }}
- name: PRESIGN_HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .noProxy }}
- name: PRESIGN_NO_PROXY
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- with .Values.verify }}
{{- if .enabled }}
- name: PRESIGN_VERIFY
  value: "true"
{{- with .allow }}
- name: PRESIGN_VERIFY_ALLOW
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.csi.signers }}
{{- if .enabled }}
{{- $name := include "presign-operator.signingName" $ }}
- name: PRESIGN_SIGNING_LISTEN
  value: "0.0.0.0:9443"
{{- if .certManager.issuerRef.name }}
- name: PRESIGN_SIGNING_TLS_CERT
  value: /etc/presign-operator/signing/tls.crt
- name: PRESIGN_SIGNING_TLS_KEY
  value: /etc/presign-operator/signing/tls.key
{{- else }}
- name: PRESIGN_SIGNING_CERTIFICATE
  value: {{ $name }}
- name: PRESIGN_SIGNING_DNS_NAMES
  value: {{ $name }}.{{ $.Release.Namespace }}.svc
{{- with $.Values.csi.namespace }}
- name: PRESIGN_SIGNING_CA_NAMESPACE
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.metrics.secure }}
{{- if .enabled }}
- name: PRESIGN_METRICS_LISTEN
  value: "0.0.0.0:{{ .port }}"
- name: PRESIGN_METRICS_TLS_CERT
  value: /etc/presign-operator/metrics/tls.crt
- name: PRESIGN_METRICS_TLS_KEY
  value: /etc/presign-operator/metrics/tls.key
- name: PRESIGN_METRICS_AUTH
  value: "true"
{{- end }}
{{- end }}
{{- end -}}
