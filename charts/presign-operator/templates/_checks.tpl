{{- /* Refuses values that are valid alone and not together. The schema refuses all others. */ -}}

{{- define "presign-operator.checks" -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicas) 1) }}
{{- fail "replicas: must be 1 without leader election: set replicas to 1, or set leaderElection.enabled to true" }}
{{- end }}
{{- if and .Values.signers.namespaceSelectors .Values.namespaces }}
{{- fail "signers.namespaceSelectors: must be false if namespaces is set: let ClusterSigners name their namespaces (allowedNamespaces.from: Names), or set namespaces to []" }}
{{- end }}
{{- if and .Values.signers.namespaceSelectors (not .Values.signers.clusterSigners) }}
{{- fail "signers.namespaceSelectors: must be false without ClusterSigners, because a Signer selects no namespaces: set it to false, or set signers.clusterSigners to true" }}
{{- end }}
{{- with .Values.webIdentity }}
{{- if .enabled }}
{{- if not (or .namespaces .serviceAccounts .allNamespaces (not $.Values.rbac.create)) }}
{{- fail "webIdentity: name the ServiceAccounts that the operator may create tokens for: set webIdentity.serviceAccounts or webIdentity.namespaces, or set webIdentity.allNamespaces to true" }}
{{- end }}
{{- if and .allNamespaces (or .namespaces .serviceAccounts) }}
{{- fail "webIdentity.allNamespaces: must be false if webIdentity.namespaces or webIdentity.serviceAccounts is set, because it permits more than they name" }}
{{- end }}
{{- if and .allNamespaces $.Values.namespaces }}
{{- fail "webIdentity.allNamespaces: must be false if namespaces is set: set webIdentity.namespaces or webIdentity.serviceAccounts" }}
{{- end }}
{{- range $namespace, $names := .serviceAccounts }}
{{- if has $namespace $.Values.webIdentity.namespaces }}
{{- fail (printf "webIdentity.serviceAccounts: %s is also in webIdentity.namespaces, which permits all of its ServiceAccounts: remove it from one of them" $namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.verify.allow (not .Values.verify.enabled) }}
{{- fail "verify.allow: has no effect without verify.enabled: set verify.enabled to true, or set verify.allow to []" }}
{{- end }}
{{- if and .Values.csi.enabled (eq .Values.inlineCredentials "Deny") }}
{{- fail "csi.enabled: must be false with inlineCredentials: Deny, because CSI volumes have credentials of their own: mount the Secrets of PresignedUrls instead, or set inlineCredentials to Allow" }}
{{- end }}
{{- with .Values.sts.caBundle }}
{{- if and .configMapName .secretName }}
{{- fail "sts.caBundle: set configMapName or secretName, not both" }}
{{- end }}
{{- end }}
{{- end -}}
