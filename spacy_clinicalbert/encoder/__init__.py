"""Note → one vector per spaCy token."""
