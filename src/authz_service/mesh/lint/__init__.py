"""What in a mesh cannot work, or should not be: rules with ids, each proven on the model."""
