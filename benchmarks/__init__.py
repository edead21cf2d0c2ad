"""Measurements, one command each; their last results stand beside them as Markdown."""
