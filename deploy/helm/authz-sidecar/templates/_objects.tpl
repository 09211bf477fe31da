{{/* Whole objects. Each takes one sidecar, a dict: see the README beside this chart. */}}

{{- define "authz-sidecar.metadata" -}}
name: {{ .name }}
namespace: {{ .namespace }}
labels: {{- include "authz-sidecar.labels" . | nindent 2 }}
{{- end }}

{{- define "authz-sidecar.selectorLabels" -}}
app.kubernetes.io/name: {{ .name }}
{{- end }}

{{- define "authz-sidecar.labels" -}}
{{ include "authz-sidecar.selectorLabels" . }}
app.kubernetes.io/part-of: {{ .partOf | default .name }}
app.kubernetes.io/managed-by: Helm
{{- end }}

{{/*
The configuration: yours, with what a pod has in its own place. Not from the environment, not with addresses: DNS knows the names.
*/}}
{{- define "authz-sidecar.config" -}}
{{- $config := deepCopy .config -}}
{{- $_ := unset $config "hosts" -}}
{{- $_ := set $config "http" (merge (dict "addr" ":8443") (omit ($config.http | default dict) "addr")) -}}
{{- $_ := set $config "admin" (dict "addr" "127.0.0.1:9901" "network_addr" ":9902") -}}
{{- $_ := set $config "runtime" (merge (dict "state_dir" "/run/authz/state") (omit ($config.runtime | default dict) "state_dir")) -}}
{{- if .policies -}}
{{- $_ := set $config "policy" (merge (dict "path" "/etc/authz/policies") (omit ($config.policy | default dict) "path")) -}}
{{- end -}}
{{- $tls := merge (dict "cert_file" "/etc/certs/server.crt" "key_file" "/etc/certs/server.key") (omit ($config.http.tls | default dict) "cert_file" "key_file") -}}
{{- if $tls.client_ca_file }}{{ $_ := set $tls "client_ca_file" "/etc/certs/ca.crt" }}{{ end -}}
{{- $_ := set $config.http "tls" $tls -}}
{{- if $config.jwt }}{{ $_ := set $config.jwt "ca_file" "/etc/certs/identity-ca.crt" }}{{ end -}}
{{- range $name, $target := (dig "egress" "targets" dict $config) -}}
{{- if $target.tls -}}
{{- $folder := printf "/etc/certs/to-%s" $name -}}
{{- $files := dict "client_cert" (printf "%s/client.crt" $folder) "client_key" (printf "%s/client.key" $folder) "ca_cert" (printf "%s/ca.crt" $folder) -}}
{{- $_ := set $target "tls" (merge $files (omit $target.tls "client_cert" "client_key" "ca_cert")) -}}
{{- end -}}
{{- if hasKey ($target.auth | default dict) "client_secret" -}}
{{- $auth := merge (dict "client_secret_file" (printf "/etc/secrets/%s" $target.auth.client_id) "ca_file" "/etc/certs/identity-ca.crt") (omit $target.auth "client_secret") -}}
{{- $_ := set $target "auth" $auth -}}
{{- end -}}
{{- end -}}
{{ toYaml $config }}
{{- end }}

{{/* Configuration and policies; a change of either is taken over without a restart. */}}
{{- define "authz-sidecar.configMaps" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}-authz
  namespace: {{ .namespace }}
  labels: {{- include "authz-sidecar.labels" . | nindent 4 }}
data:
  config.yaml: |
    {{- include "authz-sidecar.config" . | nindent 4 }}
{{- if .policies }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}-authz-policies
  namespace: {{ .namespace }}
  labels: {{- include "authz-sidecar.labels" . | nindent 4 }}
data:
  {{- range $file, $text := .policies }}
  {{ $file }}: |
    {{- $text | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "authz-sidecar.service" -}}
apiVersion: v1
kind: Service
metadata: {{- include "authz-sidecar.metadata" . | nindent 2 }}
spec:
  type: {{ .serviceType | default "ClusterIP" }}
  selector: {{- include "authz-sidecar.selectorLabels" . | nindent 4 }}
  ports:
    - {name: https, port: 8443, targetPort: https, protocol: TCP}
{{- end }}

{{/*
By cert-manager. The server's is of its own zone's CA, a client's of the zone that it is used in; with `ca.crt` each secret brings the
CA that judges the other side.
*/}}
{{- define "authz-sidecar.certificates" -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ .name }}-server
  namespace: {{ .namespace }}
  labels: {{- include "authz-sidecar.labels" . | nindent 4 }}
spec:
  secretName: {{ .name }}-server
  commonName: {{ .name }}.{{ .namespace }}
  dnsNames: {{- toYaml .hosts | nindent 4 }}
  usages: [digital signature, server auth]
  {{- include "authz-sidecar.certificateLife" . | nindent 2 }}
  issuerRef: {group: cert-manager.io, kind: ClusterIssuer, name: {{ .zone }}-ca}
{{- range $target := .targets }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ $.name }}-to-{{ $target }}
  namespace: {{ $.namespace }}
  labels: {{- include "authz-sidecar.labels" $ | nindent 4 }}
spec:
  secretName: {{ $.name }}-to-{{ $target }}
  commonName: {{ $.name }}-client
  subject: {organizations: [{{ $.organization | quote }}]}
  uris: ["spiffe://mesh/{{ $.zone }}/{{ $.name }}"]
  usages: [digital signature, client auth]
  {{- include "authz-sidecar.certificateLife" $ | nindent 2 }}
  issuerRef: {group: cert-manager.io, kind: ClusterIssuer, name: {{ get $.targetZones $target }}-ca}
{{- end }}
{{- end }}

{{- define "authz-sidecar.certificateLife" -}}
duration: 168h
renewBefore: 56h
privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
{{- end }}

{{/*
What reaches this pod, and what it reaches: callers at 8443, targets at 8443, the identity provider, DNS, the monitoring at 9902; nothing
else. Kubelet's probes come from the node, which network policies let through.
*/}}
{{- define "authz-sidecar.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{- include "authz-sidecar.metadata" . | nindent 2 }}
spec:
  podSelector: {matchLabels: {{ "{" }}{{ include "authz-sidecar.selectorLabels" . }}{{ "}}" }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if .public }}
    - ports: [{port: 8443, protocol: TCP}]
    {{- end }}
    {{- range $caller := .callers }}
    - from: [{{ include "authz-sidecar.peer" $caller }}]
      ports: [{port: 8443, protocol: TCP}]
    {{- end }}
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .monitoringNamespace }}}}}]
      ports: [{port: 9902, protocol: TCP}]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to: {{- toYaml .identityProviderPeers | nindent 8 }}
      ports: [{port: {{ .identityProviderPort }}, protocol: TCP}]
    {{- range $target := .targetPeers }}
    - to: [{{ include "authz-sidecar.peer" $target }}]
      ports: [{port: 8443, protocol: TCP}]
    {{- end }}
    {{- with .extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "authz-sidecar.peer" -}}
{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .namespace }}}}, podSelector: {matchLabels: {app.kubernetes.io/name: {{ .name }}}}}
{{- end }}

{{- define "authz-sidecar.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "authz-sidecar.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {{ "{" }}{{ include "authz-sidecar.selectorLabels" . }}{{ "}}" }}
{{- end }}

{{/* By the requests that a pod decides, where an adapter serves the metric; else by the sidecar's processor. */}}
{{- define "authz-sidecar.horizontalPodAutoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{- include "authz-sidecar.metadata" . | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicas: {{ .autoscaling.minReplicas }}
  maxReplicas: {{ .autoscaling.maxReplicas }}
  metrics:
    {{- with .autoscaling.decisionsPerSecond }}
    - type: Pods
      pods:
        metric: {name: authz_decisions_per_second}
        target: {type: AverageValue, averageValue: {{ . | quote }}}
    {{- else }}
    - type: ContainerResource
      containerResource:
        name: cpu
        container: authz
        target: {type: Utilization, averageUtilization: 70}
    {{- end }}
{{- end }}

{{- define "authz-sidecar.podMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {{- include "authz-sidecar.metadata" . | nindent 2 }}
spec:
  selector: {matchLabels: {{ "{" }}{{ include "authz-sidecar.selectorLabels" . }}{{ "}}" }}
  podMetricsEndpoints: [{port: admin, path: /metrics}]
{{- end }}
