"""How long a test waits for a fact: generously, machines do other things too. Only one that fails waits so long."""

PATIENCE = 90.0  # seconds
