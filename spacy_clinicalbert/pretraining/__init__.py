"""Masked-language-model pretraining on the user's notes: `python -m spacy clinicalbert pretrain CONFIG.cfg`."""
