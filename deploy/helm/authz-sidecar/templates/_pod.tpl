{{/*
Parts of a pod. Each takes one sidecar, a dict: see the README beside this chart.

authz-sidecar.container: the container. A native sidecar (an init container that stays) beside an app; by itself where there is none.
*/}}
{{- define "authz-sidecar.container" -}}
- name: authz
  image: {{ .image | quote }}
  {{- if not .alone }}
  restartPolicy: Always
  {{- end }}
  args: [run, --config, /etc/authz/config/config.yaml]
  ports:
    - {name: https, containerPort: 8443, protocol: TCP}
    - {name: admin, containerPort: 9902, protocol: TCP}
  # Alive is enough to start the app, and to be left alone: who waits for the identity provider is not mended by a restart.
  startupProbe:
    httpGet: {path: /livez, port: admin}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /livez, port: admin}
    periodSeconds: 10
    timeoutSeconds: 3
  readinessProbe:
    httpGet: {path: /readyz, port: admin}
    periodSeconds: 2
    timeoutSeconds: 3
  {{- if .alone }}
  lifecycle: {{- include "authz-sidecar.lifecycle" . | nindent 4 }}
  {{- end }}
  resources: {{- toYaml (.resources | default (dict "requests" (dict "cpu" "100m" "memory" "192Mi") "limits" (dict "memory" "512Mi"))) | nindent 4 }}
  securityContext: {{- include "authz-sidecar.containerSecurityContext" . | nindent 4 }}
  volumeMounts:
    - {name: authz-config, mountPath: /etc/authz/config, readOnly: true}
    {{- if .policies }}
    - {name: authz-policies, mountPath: /etc/authz/policies, readOnly: true}
    {{- end }}
    - {name: authz-certificates, mountPath: /etc/certs, readOnly: true}
    {{- if .secrets }}
    - {name: authz-secrets, mountPath: /etc/secrets, readOnly: true}
    {{- end }}
    - {name: authz-state, mountPath: /run/authz}
{{- end }}

{{/* The app's, too: endpoints forget the pod before anything in it stops. Kubernetes ends a native sidecar after the app. */}}
{{- define "authz-sidecar.lifecycle" -}}
preStop: {sleep: {seconds: 5}}
{{- end }}

{{/* Longer than preStop and runtime.drain together. */}}
{{- define "authz-sidecar.terminationGracePeriodSeconds" -}}
45
{{- end }}

{{- define "authz-sidecar.containerSecurityContext" -}}
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
privileged: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* fsGroup: who may read the files of secrets. */}}
{{- define "authz-sidecar.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "authz-sidecar.volumes" -}}
- name: authz-config
  configMap: {name: {{ .name }}-authz}
{{- if .policies }}
- name: authz-policies
  configMap: {name: {{ .name }}-authz-policies}
{{- end }}
- name: authz-certificates
  projected:
    defaultMode: 0400
    sources:
      - secret:
          name: {{ .name }}-server
          items:
            - {key: tls.crt, path: server.crt}
            - {key: tls.key, path: server.key}
            - {key: ca.crt, path: ca.crt}
      {{- range $target := .targets }}
      - secret:
          name: {{ $.name }}-to-{{ $target }}
          items:
            - {key: tls.crt, path: to-{{ $target }}/client.crt}
            - {key: tls.key, path: to-{{ $target }}/client.key}
            - {key: ca.crt, path: to-{{ $target }}/ca.crt}
      {{- end }}
      - configMap:
          name: {{ .identityProviderCa }}
          items:
            - {key: ca.crt, path: identity-ca.crt}
{{- if .secrets }}
- name: authz-secrets
  projected:
    defaultMode: 0400
    sources:
      {{- range $secret := .secrets }}
      - secret: {name: {{ $secret | quote }}}
      {{- end }}
{{- end }}
- name: authz-state
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end }}
