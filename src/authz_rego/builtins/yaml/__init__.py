"""YAML as go.yaml.in/yaml v3 reads and writes it, which is what OPA asks. Not OPA's functions (`yaml_documents`)."""
