"""Who may do what at every sidecar: the real gate and policies, asked everything that the files give a name to."""
