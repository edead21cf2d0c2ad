"""What ships: the sample notes, and later the embedded encoder."""
