"""Scores of a pipeline on each of the development corpora of its config, of the heads that each is annotated for."""

import json
from pathlib import Path

import spacy
import typer
from spacy.cli._util import parse_config_overrides
from spacy.util import load_config, resolve_dot_names

from spacy_clinicalbert.corpora.mixed import MixedCorpora

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    ctx: typer.Context,
    model: Path = typer.Argument(..., exists=True, file_okay=False, help="The trained pipeline"),
    config: Path = typer.Argument(..., exists=True, dir_okay=False, help="The config that it was trained with"),
    output: Path = typer.Argument(..., help="JSON file for the scores"),
) -> None:
    """Evaluate MODEL on the corpora of CONFIG's dev_corpus. Settings can be overridden by their dotted names: --paths.dev test."""
    loaded = load_config(config, overrides=parse_config_overrides(ctx.args), interpolate=True)
    (corpus,) = resolve_dot_names(loaded, [loaded["training"]["dev_corpus"]])
    if not isinstance(corpus, MixedCorpora):
        raise typer.BadParameter(
            f"the dev_corpus of '{config}' is not spacy-clinicalbert.mixed_corpora.v1; use spacy evaluate"
        )
    nlp = spacy.load(model)
    weights = loaded["training"]["score_weights"]
    scores = {}
    for name, annotated in corpus.annotated.items():
        found = nlp.evaluate(corpus.whole(nlp, [name]), per_component=True)
        scores[name] = {head: found[head] for head in annotated}
        for head, values in scores[name].items():
            shown = [f"{key} {values[key]:.4f}" for key in weights if isinstance(values.get(key), (int, float))]
            print(f"{name}, {head}: {', '.join(shown)}")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(scores, indent=1), encoding="utf8")


if __name__ == "__main__":
    app()
