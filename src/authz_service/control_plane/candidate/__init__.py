"""A second policy that decides along, in a process of its own, after the answers have gone out."""
