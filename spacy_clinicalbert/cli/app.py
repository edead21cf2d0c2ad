"""What the commands hang on."""

from typing import Any, Dict, List

import typer
from spacy.cli import app as spacy_app

app = typer.Typer(
    name="clinicalbert", help="Clinical notes: train, annotate, look at", no_args_is_help=True, add_completion=False
)
spacy_app.add_typer(app)
# Older typers print the variables of a failing command, which hold notes.
spacy_app.pretty_exceptions_show_locals = False


@app.callback()
def main() -> None:
    """Clinical notes: train pipelines, annotate with them, look at what they find. COMMAND --help says more."""


def read_overrides(arguments: List[str]) -> Dict[str, Any]:
    """Read what a command line says of a config.

    arguments (List[str]): `--section.name value`, what the command has no options for.
    RETURNS (Dict[str, Any]): Dotted name → value.
    RAISES (typer.Exit): One is no setting.
    """
    from click import NoSuchOption  # which spaCy raises, and newer typers do not know
    from spacy.cli._util import parse_config_overrides

    try:
        return parse_config_overrides(arguments)
    except NoSuchOption as error:
        typer.echo(f"There is no option {error.option_name}; --help lists them. A setting of the config has a dot: --training.max_steps 1000.", err=True)  # fmt: skip
        raise typer.Exit(2) from None
