"""Text to tree, with the place of everything. Not what the names mean (`check`)."""
