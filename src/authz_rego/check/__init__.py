"""What a module means, and what OPA refuses to compile: names, safety, conflicts, recursion, types. Not syntax."""
