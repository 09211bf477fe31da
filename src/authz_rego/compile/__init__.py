"""Checked rules to Python source, one function for each body of a rule. What they call: `evaluate`, `builtins`."""
