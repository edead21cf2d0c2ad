"""Case summaries that are made of the note's own sentences and entities alone."""
