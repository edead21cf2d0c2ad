"""What the number formats change in trained pipelines: entities and F1 against float32, on a development or test set.

    python -m benchmarks.agreement training/windows/ner-ncbi-note-158-8-0 corpus/ner-ncbi/dev.spacy corpus/ner-ncbi/train.spacy

The int8 network is calibrated on notes of the third file, with each recipe of `encoder.quantize`.
"""

import itertools
from pathlib import Path

import spacy
import typer
from spacy.scorer import Scorer
from spacy.training import Example
from spacy.training.corpus import Corpus

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

    def annotate(engine: str, precision: str, batch_size: int = 64) -> list:
        shim.engine, shim.precision = engine, precision
        shim.forget()
        return list(nlp.pipe(texts, batch_size=batch_size))

    def show(name: str, docs: list) -> None:
        scores = Scorer().score([Example(doc, reference) for doc, reference in zip(docs, references)])
        print(f"| {name} | {agreement(exact, docs)['entities']:.2%} | {100 * scores['ents_f']:.2f} |", flush=True)

    exact = annotate("torch", "float32")
    print("| format | entities as in float32 | F1 |\n|---|---|---|")
    show("torch, float32", exact)
    encoder.cfg["max_buffer_items"] = 1
    show("torch, float32, one note at a time", annotate("torch", "float32", 1))
    encoder.cfg["max_buffer_items"] = 65536
    show("openvino, float32", annotate("openvino", "float32"))
    show("torch, bfloat16", annotate("torch", "bfloat16"))
    show("openvino, bfloat16", annotate("openvino", "bfloat16"))
    for recipe in RECIPES:
        shim.quantized = quantize_network(encoder.model, calibrating, recipe)
        show(f"openvino, int8, {recipe.name}", annotate("openvino", "int8"))


if __name__ == "__main__":
    typer.run(main)
