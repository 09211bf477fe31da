{{/*
One sidecar, as the library wants it: (dict "root" $ "name" "order-service"). Its targets, and so the arrows of the mesh, are those that
its own configuration names.
*/}}
{{- define "three-zones.sidecar" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $service := get $root.Values.services $name -}}
{{- $config := include "three-zones.config" . | fromYaml -}}
{{- $peers := list -}}
{{- $targetZones := dict -}}
{{- range $target, $_ := (dig "egress" "targets" dict $config) -}}
{{- $zone := (get $root.Values.services $target).zone -}}
{{- $_ := set $targetZones $target $zone -}}
{{- $peers = append $peers (dict "name" $target "namespace" $zone) -}}
{{- end -}}
{{- $callers := list -}}
{{- range $caller, $its := $root.Values.services -}}
{{- $theirs := include "three-zones.config" (dict "root" $root "name" $caller) | fromYaml -}}
{{- if hasKey (dig "egress" "targets" dict $theirs) $name -}}
{{- $callers = append $callers (dict "name" $caller "namespace" $its.zone) -}}
{{- end -}}
{{- end -}}
{{- $policies := dict -}}
{{- range $path, $_ := $root.Files.Glob (printf "files/%s/policies/*.rego" $service.folder) -}}
{{- if not (hasSuffix "_test.rego" $path) -}}
{{- $_ := set $policies (base $path) ($root.Files.Get $path) -}}
{{- end -}}
{{- end -}}
{{- dict
  "name" $name
  "namespace" $service.zone
  "zone" $service.zone
  "partOf" "three-zones"
  "organization" $root.Values.organization
  "image" $root.Values.images.sidecar
  "alone" (not $service.app)
  "public" ($service.public | default false)
  "hosts" (list (include "three-zones.host" (dict "root" $root "name" $name)))
  "config" $config
  "policies" $policies
  "targets" (keys $targetZones | sortAlpha)
  "targetZones" $targetZones
  "targetPeers" $peers
  "callers" $callers
  "secrets" (ternary (list $service.clientSecret) (list) (not (empty $service.clientSecret)))
  "identityProviderCa" $root.Values.identityProvider.caConfigMap
  "identityProviderPeers" $root.Values.identityProvider.peers
  "identityProviderPort" $root.Values.identityProvider.port
  "monitoringNamespace" $root.Values.monitoring.namespace
  "autoscaling" $root.Values.autoscaling
  "extraEgress" ($service.extraEgress | default list)
  | toYaml -}}
{{- end }}

{{- define "three-zones.host" -}}
{{ .name }}.{{ (get .root.Values.services .name).zone }}.svc.{{ .root.Values.clusterDomain }}
{{- end }}

{{/* The example's, with the cluster's names in place of the drawing's, and the identity provider's own address. */}}
{{- define "three-zones.config" -}}
{{- $root := .root -}}
{{- $text := $root.Files.Get (printf "files/%s/config.yaml" (get $root.Values.services .name).folder) -}}
{{- $text = $text | replace "${IDP_URL:-https://keycloak.example.com}" $root.Values.identityProvider.url -}}
{{- range $name, $service := $root.Values.services -}}
{{- $text = $text | replace (printf "%s.%s.local" $name $service.zone) (include "three-zones.host" (dict "root" $root "name" $name)) -}}
{{- end -}}
{{- regexReplaceAll "\\$\\{[A-Z_]+:-([^}]*)\\}" $text "${1}" -}}
{{- end }}
