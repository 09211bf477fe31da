"""OPA's builtins: what each takes and gives (`declarations`), and what it does, a file per family."""
