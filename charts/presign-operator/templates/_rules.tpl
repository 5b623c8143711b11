{{- /* What the operator may do in a namespace that it watches. Each rule says why. */ -}}

{{- define "presign-operator.rules" -}}
# list, watch: the PresignedUrls, and their changes and deletions. The operator never writes specs.
# get: a PresignedUrl whose spec or status is too large for the cache.
- apiGroups: [presign.dev]
  resources: [presignedurls]
  verbs: [get, list, watch]
# The status of each PresignedUrl, by server-side apply.
- apiGroups: [presign.dev]
  resources: [presignedurls/status]
  verbs: [patch]
{{- if .Values.deleteExpired }}
# A PresignedUrl with renewPolicy: Never, spec.ttlAfterExpired after its URL has expired.
- apiGroups: [presign.dev]
  resources: [presignedurls]
  verbs: [delete]
{{- end }}
# The Signers, and their changes and deletions. The operator never writes specs.
- apiGroups: [presign.dev]
  resources: [signers]
  verbs: [list, watch]
# The status of each Signer, by server-side apply.
- apiGroups: [presign.dev]
  resources: [signers/status]
  verbs: [patch]
{{- if .Values.rbac.minimal }}
# get: the access key that a URL is signed with, and a target before it is written.
# create: the Secret that holds the URL, by a POST, which cannot change an existing Secret.
# patch: to change it, by server-side apply.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
{{- else }}
# get: the access key that a URL is signed with, and a target that is not known yet.
# list, watch: to notice at once when a key is rotated, or a target is changed or deleted.
# Of Secrets without the operator's label, only the metadata is requested.
# create: the Secret that holds the URL, by a POST, which cannot change an existing Secret.
# patch: to change it, by server-side apply.
# delete: the Secret of an earlier spec.secret.name, once its own URL has expired.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.pods.enabled }}
# list: the pods that mount a Secret. patch: one annotation, which makes the kubelet read
# the Secret again at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, patch]
{{- end }}
# Events about transitions; patch raises the count of an event instead of adding another.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- /* What the operator may do with ServiceAccounts of these names; with all of them without names. */ -}}
{{- define "presign-operator.webIdentityRules" -}}
# The annotation by which a ServiceAccount permits its roles.
- apiGroups: [""]
  resources: [serviceaccounts]
  {{- with . }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get]
# A token of it for the STS. The admission policy limits the audience and the lifetime.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  {{- with . }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [create]
{{- end -}}
