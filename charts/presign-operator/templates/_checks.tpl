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
{{- end -}}
