"""What the commands hang on."""

import typer
from spacy.cli import app as spacy_app

app = typer.Typer(name="clinicalbert", help="Clinical encoders", no_args_is_help=True, add_completion=False)
spacy_app.add_typer(app)
# Older typers print the variables of a failing command, which hold notes.
spacy_app.pretty_exceptions_show_locals = False


@app.callback()
def main() -> None:
    """Clinical encoders in spaCy pipelines."""
