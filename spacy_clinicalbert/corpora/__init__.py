"""Annotated text in: one module per format, each of which yields records; `docs.py` makes them into Docs."""
