"""Training speed: wordpieces a second of `nlp.update` on NCBI-disease, encoder and NER, beside spacy-transformers; the
same batches, alternating, each in a process of its own. The text is counted once, without overlap or special tokens.
(F1 after equal epochs is in NER.md and, with these settings, in RESULTS.md under Windows.)

    python -m benchmarks.training run corpus/ner-ncbi encoders/all-minilm-l6-v2
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List

import typer
from spacy.training.corpus import Corpus
from spacy.training.initialize import init_nlp
from transformers import AutoTokenizer

from benchmarks.ner_seeds import VARIANTS, make_config
from spacy_clinicalbert.corpora.batchers import batch_by_wordpieces

# Variants of `ner_seeds`, with today's windows; the first two also without dropout on the attention weights.
ALL = ("clinicalbert-bfloat16:0", "clinicalbert-float32:0", *VARIANTS)
app = typer.Typer(add_completion=False)


@app.command()
def one(variant: str, corpus: Path, encoder: Path, n_steps: int = 20) -> None:
    """Print the wordpieces a second over some steps, the first left out."""
    variant, _, attention_dropout = variant.partition(":")
    config = make_config(variant, 0, corpus, encoder, 3e-4, 1.0)
    if variant.startswith("clinicalbert"):
        model = config["components"]["clinicalbert"]["model"]
        del model["windows"]
        model["attention_dropout"] = float(attention_dropout) if attention_dropout else None
    nlp = init_nlp(config)
    optimizer = nlp.resume_training()
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    batches = batch_by_wordpieces(str(encoder), size=2000)(Corpus(corpus / "train.spacy")(nlp))
    n_pieces, seconds = 0, 0.0
    for step in range(n_steps + 1):
        batch = next(batches)
        start = time.perf_counter()
        nlp.update(batch, sgd=False, drop=0.1)  # as `spacy train` does
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)  # type: ignore[attr-defined]
        end = time.perf_counter()
        if step:
            texts = [example.text for example in batch]
            n_pieces += sum(map(len, tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]))
            seconds += end - start
    print(n_pieces / seconds)


@app.command()
def run(corpus: Path, encoder: Path, repeats: int = 3) -> None:
    """Measure all variants, as Markdown."""
    speeds: Dict[str, List[float]] = {variant: [] for variant in ALL}
    for _ in range(repeats):
        for variant, values in speeds.items():
            command = [sys.executable, "-m", "benchmarks.training", "one", variant, str(corpus), str(encoder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            values.append(float(done.stdout.split()[-1]))
    stock = statistics.median(speeds["transformer-float32"])
    print("| variant | wordpieces/s, median (least – most) | × spacy-transformers |\n|---|---|---|")
    for variant, values in speeds.items():
        median = statistics.median(values)
        print(f"| {variant} | {median:,.0f} ({min(values):,.0f} – {max(values):,.0f}) | {median / stock:.2f} |")


if __name__ == "__main__":
    app()
