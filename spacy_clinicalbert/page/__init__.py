"""Pages to look at: a note with what a pipeline found in it, and what a pipeline gets wrong."""
