"""What may be wrong with annotated text, found before anything is trained on it: `python -m spacy clinicalbert check`."""
