"""ClinicalBERT as a first-class part of spaCy. Importing this imports neither torch nor transformers."""
