{{- /* Names and labels. */ -}}

{{- define "presign-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "presign-operator.fullname" -}}
{{- $name := include "presign-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "presign-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "presign-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name an existing ServiceAccount, or set serviceAccount.create" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* The namespace with the credentials of ClusterSigners. */ -}}
{{- define "presign-operator.signerNamespace" -}}
{{- default .Release.Namespace .Values.signers.namespace -}}
{{- end -}}

{{- /* The Service of the signing service, and the Secret and the ConfigMap of its certificate. */ -}}
{{- define "presign-operator.signingName" -}}
{{ include "presign-operator.fullname" . }}-signing
{{- end -}}

{{- /* The operator, as the only subject of a binding. */ -}}
{{- define "presign-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "presign-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- define "presign-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "presign-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* The pods of the CSI driver. The selector of the Deployment must not match them. */ -}}
{{- define "presign-operator.csiLabels" -}}
app.kubernetes.io/name: {{ printf "%s-csi" (include "presign-operator.name" .) | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "presign-operator.labels" -}}
{{ include "presign-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "presign-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}
