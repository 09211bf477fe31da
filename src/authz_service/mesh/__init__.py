"""Many sidecars as one thing: who calls whom, with what, and whether it is let in. Of files alone."""
