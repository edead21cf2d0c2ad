"""Token vectors, or text, → clinical facts: one file per factory."""
