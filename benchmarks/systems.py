"""One system of `benchmarks.throughput` in a process of its own: it loads, then annotates what it is sent.

    python benchmarks/systems.py SYSTEM ENCODER HEAD     a JSON object a line on standard input, one back on standard output

This file imports nothing of this project but in `clinicalbert`, for it also runs where only a peer is installed. All
systems get the same weights. Those of spaCy get the same head, untrained: a transition-based recogniser takes as long
whatever it finds. Each peer is set up as its documentation recommends for speed on a CPU.
"""

import json
import os
import sys
import time
from typing import Callable, Dict, List

Annotate = Callable[[List[str]], int]
LABELS = ["DRUG", "PROBLEM", "PROCEDURE", "TEST"]
WINDOWS = {"@misc": "spacy-clinicalbert.note_windows.v1", "size": 158, "context": 8}
NER_MODEL = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": False,
}


def add_ner(nlp, listener: Dict) -> None:
    ner = nlp.add_pipe("ner", config={"model": {**NER_MODEL, "tok2vec": listener}})
    for label in LABELS:
        ner.add_label(label)


def spacy_annotate(nlp, batch_size: int) -> Annotate:
    from spacy.training import Example

    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("No fever."), {"entities": [(3, 8, "PROBLEM")]})])
    return lambda texts: sum(len(doc) for doc in nlp.pipe(texts, batch_size=batch_size))


def add_clinical_ner(nlp) -> None:
    """Its weights are of chance, too, and by this threshold it finds five entities in a hundred tokens of a note: each costs time."""
    model = {
        "@architectures": "spacy-clinicalbert.SpanTagger.v1",
        "tok2vec": {"@architectures": "spacy-clinicalbert.Listener.v1"},
    }
    head = nlp.add_pipe("clinical_ner", config={"model": model, "threshold": 0.01})
    for label in LABELS:
        head.add_label(label)


def clinicalbert(encoder: str, head: str, engine: str, precision: str, variant: str = "") -> Annotate:
    import spacy

    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {"name": encoder, "engine": engine, "precision": precision, "windows": WINDOWS}
    config: Dict = {"model": model}
    if variant == "all":
        config["max_cache_items"] = 0
        model["distinct"] = False
    component = nlp.add_pipe("clinicalbert", config=config)
    if variant == "clinical_ner":
        add_clinical_ner(nlp)
    elif head == "ner":
        add_ner(nlp, {"@architectures": "spacy-clinicalbert.Listener.v1"})
    annotate = spacy_annotate(nlp, 64)
    if precision == "int8":
        from spacy_clinicalbert.encoder.quantize import quantize_network

        with open(os.environ["CALIBRATION"], encoding="utf8") as file:
            texts = json.load(file)
        component.shim.quantized = quantize_network(component.model, [nlp.make_doc(text) for text in texts])
    used = component.shim.predictor
    assert (used.name, used.precision) == (engine, precision), (used.name, used.precision)

    def annotate_anew(texts: List[str]) -> int:
        component.shim.cache.clear()  # the runs are over the same notes
        return annotate(texts)

    return annotate_anew


def spacy_transformers(encoder: str, head: str) -> Annotate:
    import spacy

    nlp = spacy.blank("en")
    spans = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}
    model = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": encoder, "get_spans": spans}
    model["tokenizer_config"] = {"use_fast": True, "model_max_length": 512}
    nlp.add_pipe("transformer", config={"model": model})
    if head == "ner":
        pooling = {"@layers": "reduce_mean.v1"}
        add_ner(nlp, {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": pooling})
    return spacy_annotate(nlp, 64)


def spacy_curated_transformers(encoder: str, head: str) -> Annotate:
    import spacy
    from spacy.util import registry
    from transformers import AutoConfig

    shape = AutoConfig.from_pretrained(encoder)
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-curated-transformers.BertTransformer.v1",
        "vocab_size": shape.vocab_size,
        "hidden_width": shape.hidden_size,
        "intermediate_width": shape.intermediate_size,
        "num_attention_heads": shape.num_attention_heads,
        "num_hidden_layers": shape.num_hidden_layers,
        "piece_encoder": {"@architectures": "spacy-curated-transformers.BertWordpieceEncoder.v1"},
        "with_spans": {"@architectures": "spacy-curated-transformers.WithStridedSpans.v1", "stride": 96, "window": 128},
    }
    component = nlp.add_pipe("curated_transformer", config={"model": model})
    component.model.get_ref("piece_encoder").init = registry.model_loaders.get(
        "spacy-curated-transformers.HFPieceEncoderLoader.v1"
    )(name=encoder)
    component.model.get_ref("transformer").init = registry.model_loaders.get(
        "spacy-curated-transformers.HFTransformerEncoderLoader.v1"
    )(name=encoder)
    if head == "ner":
        listener = {"@architectures": "spacy-curated-transformers.LastTransformerLayerListener.v1"}
        add_ner(nlp, {**listener, "width": shape.hidden_size, "pooling": {"@layers": "reduce_mean.v1"}})
    return spacy_annotate(nlp, 64)


def edsnlp(encoder: str, head: str) -> Annotate:
    import edsnlp as library
    import torch

    nlp = library.blank("eds")
    embedding = {"@factory": "eds.transformer", "model": encoder, "window": 128, "stride": 96}
    config = {"embedding": embedding, "mode": "independent", "target_span_getter": "gold", "labels": LABELS}
    nlp.add_pipe("eds.ner_crf", name="ner", config={**config, "infer_span_setter": False})
    nlp.post_init([])

    def annotate(texts: List[str]) -> int:
        stream = library.data.from_iterable(texts, converter=lambda text, tokenizer=None: nlp.make_doc(text))
        stream = stream.map_pipeline(nlp).set_processing(autocast=torch.bfloat16, batch_size="2000 words")
        return sum(len(doc) for doc in stream)

    return annotate


def huggingface(encoder: str, head: str) -> Annotate:
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    network = AutoModelForTokenClassification.from_pretrained(encoder, num_labels=2 * len(LABELS) + 1)
    tokenizer = AutoTokenizer.from_pretrained(encoder, model_max_length=512)
    tagger = pipeline(
        "token-classification", network, tokenizer=tokenizer, aggregation_strategy="simple", stride=32, batch_size=8
    )
    return lambda texts: sum(len(found) for found in tagger(texts))


SYSTEMS = {
    "clinicalbert": clinicalbert,
    "spacy-transformers": spacy_transformers,
    "spacy-curated-transformers": spacy_curated_transformers,
    "edsnlp": edsnlp,
    "huggingface": huggingface,
}


def peak() -> float:
    """MiB resident at most. (getrusage counts what the parent had when it forked.)"""
    with open("/proc/self/status", encoding="utf8") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def main(system: str, encoder: str, head: str) -> None:
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes elsewhere
    name, *options = system.split(":")
    annotate = SYSTEMS[name](encoder, head, *options)
    print(json.dumps({"ready": system}), file=reply, flush=True)
    for line in sys.stdin:
        texts = json.loads(line)["texts"]
        start = time.perf_counter()
        annotate(texts)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "peak_mib": round(peak())}), file=reply, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
