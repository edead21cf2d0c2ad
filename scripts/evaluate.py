"""Scores of a pipeline on each of the development corpora of its config, of the heads that each is annotated for."""

import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy
import typer
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Example
from spacy.util import dot_to_object, resolve_dot_names

from spacy_clinicalbert.cli.app import read_overrides
from spacy_clinicalbert.corpora.docs import ENTITY_HEADS, install_extensions
from spacy_clinicalbert.corpora.mixed import MixedCorpora
from spacy_clinicalbert.corpora.questions import to_ask
from spacy_clinicalbert.loading import open_config, open_pipeline

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    ctx: typer.Context,
    model: Path = typer.Argument(..., exists=True, file_okay=False, help="The trained pipeline"),
    config: Path = typer.Argument(..., exists=True, dir_okay=False, help="The config that it was trained with"),
    output: Path = typer.Argument(..., help="JSON file for the scores"),
    samples: int = typer.Option(0, min=0, help="Bootstrap samples, for intervals; 0 gives none"),
) -> None:
    """Evaluate MODEL on the corpora of CONFIG's dev_corpus. Settings can be overridden by their dotted names: --paths.dev test."""
    overrides = read_overrides(ctx.args)
    try:
        loaded = open_config(config, overrides, needs=("training",), interpolate=True)
        name = loaded["training"]["dev_corpus"]
        if dot_to_object(loaded, name).get("@readers") != "spacy-clinicalbert.mixed_corpora.v1":
            raise ValueError(f"[{name}] of '{config}' is not spacy-clinicalbert.mixed_corpora.v1: use spacy evaluate.")
        (corpus,) = resolve_dot_names(loaded, [name])
        score_all(open_pipeline(model), corpus, loaded["training"]["score_weights"], output, samples)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(str(error))


def score_all(nlp: Language, corpus: MixedCorpora, weights: Dict[str, Any], output: Path, samples: int) -> None:
    """Score a pipeline on each of the corpora, print the scores that are weighed, and write all, after each corpus."""
    install_extensions()
    output.parent.mkdir(parents=True, exist_ok=True)
    scores: Dict[str, Dict[str, Any]] = {}
    # Where several components write doc.ents, what it has is of none of them: each has its span group.
    n_writers = sum(nlp.get_pipe_meta(name).factory in ENTITY_HEADS for name in nlp.pipe_names)
    for name, annotated in corpus.annotated.items():
        given = list(corpus.whole(nlp, [name]))
        for example in given:
            # Asked here, a question is asked once, and not in each of the bootstrap's samples.
            if example.reference._.questions and example.predicted._.questions is None:
                example.predicted._.questions = to_ask(example.reference._.questions)
        predicted = nlp.pipe([example.predicted for example in given])
        examples = [Example(doc, example.reference) for doc, example in zip(predicted, given)]
        found = Scorer(nlp).score(examples, per_component=True)
        scores[name] = {
            head: {key: found[head][key] for key in found[head] if n_writers < 2 or not key.startswith("ents_")}
            for head in annotated
        }
        for head, values in scores[name].items():
            keys = [key for key in weights if isinstance(values.get(key), (int, float))]
            places = {}
            if samples:
                places = values["intervals"] = intervals(nlp.get_pipe(head), examples, keys, samples)
            shown = [f"{key} {values[key]:.4f}{show(places.get(key))}" for key in keys]
            print(f"{name}, {head}: {', '.join(shown)}")
        output.write_text(json.dumps(scores, indent=1, default=float), encoding="utf8")


def intervals(pipe: Any, examples: List[Example], keys: List[str], n_samples: int) -> Dict[str, List[float]]:
    """Percentile intervals, 95 %, by the bootstrap (Efron and Tibshirani 1993, chapter 13).

    pipe (Any): The component, whose own scorer is called on each sample.
    examples (List[Example]): Annotated. They are drawn with replacement, all of a note or article, which have one id, together.
    keys (List[str]): The scores wanted.
    n_samples (int): How often they are drawn.
    RETURNS (Dict[str, List[float]]): Score → the lower and the upper end; nothing for one that the samples do not have.
    """
    by_note: Dict[Any, List[Example]] = {}
    for number, example in enumerate(examples):
        note_id = example.reference._.note_id
        by_note.setdefault(number if note_id is None else str(note_id), []).append(example)
    notes, rng = list(by_note.values()), numpy.random.default_rng(0)
    rows: Dict[str, List[float]] = {key: [] for key in keys}
    for _ in range(n_samples):
        drawn = [example for i in rng.integers(len(notes), size=len(notes)) for example in notes[i]]
        found = pipe.score(drawn)
        for key in keys:
            if found.get(key) is not None:
                rows[key].append(found[key])
    return {key: numpy.quantile(values, [0.025, 0.975]).tolist() for key, values in rows.items() if values}


def show(place: Optional[List[float]]) -> str:
    return f" ({place[0]:.4f} to {place[1]:.4f})" if place else ""


if __name__ == "__main__":
    app()
