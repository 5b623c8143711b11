{{- /* What the operator may do in a namespace that it looks after. Each rule says why. */ -}}

{{- define "presign-operator.rules" -}}
# Which URLs are wanted, and when one is edited or goes. Their specs are never written.
- apiGroups: [presign.dev]
  resources: [presignedurls]
  verbs: [list, watch]
# Reports how each one stands, by server-side apply.
- apiGroups: [presign.dev]
  resources: [presignedurls/status]
  verbs: [patch]
{{- if .Values.rbac.minimal }}
# get: the access key that a URL is signed with, and a target before it is written.
# create, patch: the Secret that holds the URL, by server-side apply.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
{{- else }}
# get: the access key that a URL is signed with, and a target that is not known yet.
# list, watch: a rotated key, and a target that somebody changed or deleted, are noticed at once.
# Of Secrets without our label only the metadata is asked for.
# create, patch: the Secret that holds the URL, by server-side apply.
# delete: the Secret of an earlier spec.secret.name, once its own URL has expired.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.pods.enabled }}
# list: the pods that mount a Secret. patch: one annotation, which makes the kubelet look at
# the Secret at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, patch]
{{- end }}
# Tells of transitions; patch counts the same event up instead of adding another.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
