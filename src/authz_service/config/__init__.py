"""From YAML to frozen values. Nothing else reads the configuration."""

import os

# Before pydantic is imported: a plugin of whatever else is installed would see each value, secrets among them; and to
# look for one at each start takes as long as reading the configuration.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
