"""How well pipelines do on corpora."""
