"""Pathology reports as structured records."""
