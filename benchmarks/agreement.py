"""What the number formats change in trained pipelines: entities and F1 against float32, on a development or test set.

    python -m benchmarks.agreement training/windows/ner-ncbi-note-158-8-0 corpus/ner-ncbi/dev.spacy corpus/ner-ncbi/train.spacy

The int8 network is calibrated on notes of the third file, with each recipe of `encoder.quantize`. The last rows are of the same
notes made into a longitudinal set (see `benchmarks.throughput`), where it is asked whether encoding equal windows once
changes an entity.
"""

import itertools
from pathlib import Path
from typing import List

import spacy
import typer
from spacy.scorer import Scorer
from spacy.training import Example
from spacy.training.corpus import Corpus

from benchmarks.throughput import make_longitudinal
from spacy_clinicalbert.encoder.agreement import agreement
from spacy_clinicalbert.encoder.quantize import RECIPES, quantize_network


def main(pipeline: Path, notes: Path, calibration: Path, n_calibration: int = 200) -> None:
    nlp = spacy.load(pipeline)
    encoder = nlp.get_pipe("clinicalbert")
    shim = encoder.shim
    references = [example.reference for example in Corpus(notes)(nlp)]
    texts = [doc.text for doc in references]
    examples = itertools.islice(Corpus(calibration)(nlp), n_calibration)
    calibrating = [nlp.make_doc(example.text) for example in examples]

    def annotate(engine: str, precision: str, texts: List[str] = texts, batch_size: int = 64) -> list:
        shim.engine, shim.precision = engine, precision
        shim.forget()
        return list(nlp.pipe(texts, batch_size=batch_size))

    def show(name: str, docs: list) -> None:
        scores = Scorer().score([Example(doc, reference) for doc, reference in zip(docs, references)])
        print(f"| {name} | {agreement(exact, docs)['entities']:.2%} | {100 * scores['ents_f']:.2f} |", flush=True)

    exact = annotate("torch", "float32")
    print("| format | entities as in float32 | F1 |\n|---|---|---|")
    show("torch, float32", exact)
    n_items = encoder.cfg["max_buffer_items"]
    encoder.cfg["max_buffer_items"] = 1
    show("torch, float32, one note at a time", annotate("torch", "float32", batch_size=1))
    encoder.cfg["max_buffer_items"] = n_items
    show("openvino, float32", annotate("openvino", "float32"))
    show("torch, bfloat16", annotate("torch", "bfloat16"))
    show("openvino, bfloat16", annotate("openvino", "bfloat16"))
    for recipe in RECIPES:
        shim.quantized = quantize_network(encoder.model, calibrating, recipe)
        show(f"openvino, int8, {recipe.name}", annotate("openvino", "int8"))
    mixed = make_longitudinal(texts, len(texts) // 10)
    for precision in ("float32", "bfloat16", "int8"):
        once = annotate("openvino", precision, mixed)
        encoder.model.attrs["distinct"], n_cached, shim.cache.max_pieces = False, shim.cache.max_pieces, 0
        every = annotate("openvino", precision, mixed)
        encoder.model.attrs["distinct"], shim.cache.max_pieces = True, n_cached
        n_ents = sum(len(doc.ents) for doc in every)
        share = agreement(every, once)["entities"]
        print(f"| openvino, {precision}, longitudinal, equal windows once | {share:.2%} of {n_ents} | |", flush=True)


if __name__ == "__main__":
    typer.run(main)
