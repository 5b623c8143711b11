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
{{- with .Values.csi }}
{{- if and .enabled (not .signers.enabled) (eq $.Values.inlineCredentials "Deny") }}
{{- fail "csi.enabled: must be false with inlineCredentials: Deny, because CSI volumes without a signer have credentials of their own: set csi.signers.enabled to true, or set inlineCredentials to Allow" }}
{{- end }}
{{- if and .signers.enabled (not .enabled) }}
{{- fail "csi.signers.enabled: has no effect without csi.enabled: set csi.enabled to true, or set csi.signers.enabled to false" }}
{{- end }}
{{- if and .enabled (or .audiences .signers.enabled) (semverCompare "<1.35.0-0" $.Capabilities.KubeVersion.Version) }}
{{- fail (printf "%s: needs Kubernetes 1.35 or newer, but this cluster has %s. Older versions pass the tokens of pods in the volume context, which drivers may log. Upgrade the cluster, or unset the value. With helm template, set --kube-version." (.signers.enabled | ternary "csi.signers.enabled" "csi.audiences") $.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- if and .signers.enabled $.Values.metrics.secure.enabled (eq (int $.Values.metrics.secure.port) 9443) }}
{{- fail "metrics.secure.port: 9443 is the port of csi.signers: choose another port" }}
{{- end }}
{{- with .signers }}
{{- if and .certManager.issuerRef.name (not .caBundle.configMapName) }}
{{- fail "csi.signers.caBundle.configMapName: name the ConfigMap with the CA of csi.signers.certManager.issuerRef, in the namespace of the CSI driver" }}
{{- end }}
{{- if and .caBundle.configMapName (not .certManager.issuerRef.name) }}
{{- fail "csi.signers.caBundle.configMapName: has no effect without csi.signers.certManager.issuerRef.name, because the operator publishes the CA of its own certificate: set it to \"\"" }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.sts.caBundle }}
{{- if and .configMapName .secretName }}
{{- fail "sts.caBundle: set configMapName or secretName, not both" }}
{{- end }}
{{- end }}
{{- end -}}
