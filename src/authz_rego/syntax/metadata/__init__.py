"""`# METADATA` blocks: from their YAML to what they say. Not where they stand (`annotations`)."""
