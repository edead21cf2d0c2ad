"""Imported heads beside Hugging Face's own pipelines, and beside spacy-huggingface-pipelines where it is installed.

    python -m benchmarks.heads corpora encoders/all-minilm-l6-v2 training/heads

fine-tunes two heads the way Hugging Face's examples do, for as many steps as are given, not to be good ones: a BertForTokenClassification on
NCBI-disease (IOB2) and a BertForSequenceClassification on the types of MTSamples. Then it imports them and compares, on held-out notes.
What was trained stays in the last folder, and is used again.
"""

import json
import shutil
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Set, Tuple

import numpy
import spacy
import torch
import typer
from safetensors.torch import load_file, save_file
from spacy.tokens import Doc
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)
from transformers.utils import logging

from spacy_clinicalbert.corpora.public import held_out_records, training_records
from spacy_clinicalbert.encoder.agreement import agreement
from spacy_clinicalbert.pipeline.import_head import import_head

BATCH, LENGTH, RATE = 16, 128, 5e-4
TAGS = ["O", "B-DISEASE", "I-DISEASE"]
Entities = Set[Tuple[int, int, str]]


def fine_tune(network: Any, inputs: Dict[str, torch.Tensor], labels: torch.Tensor, steps: int) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    network.train()
    for step in range(steps):
        rows = torch.randint(len(labels), (BATCH,))
        batch = {key: value[rows] for key, value in inputs.items()}
        network(**batch, labels=labels[rows]).loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min((step + 1) / (steps / 10), (steps - step) / steps)
        optimizer.step()
        optimizer.zero_grad()


def make_token_head(corpora: Path, encoder: Path, folder: Path, steps: int) -> None:
    tokenizer, nlp = AutoTokenizer.from_pretrained(encoder), spacy.blank("en")
    words, tags = [], []
    for _, record in training_records(corpora, "ncbi_disease"):
        doc = nlp.make_doc(record["text"])
        spans = [doc.char_span(start, end, "DISEASE") for start, end, *_ in record["entities"]]
        doc.set_ents(spacy.util.filter_spans([span for span in spans if span is not None]))
        own = [token for token in doc if not token.is_space]
        words.append([token.text for token in own])
        tags.append([TAGS.index(f"{token.ent_iob_}-DISEASE" if token.ent_type else "O") for token in own])
    inputs = tokenizer(
        words,
        is_split_into_words=True,
        truncation=True,
        max_length=LENGTH,
        padding="max_length",
        return_tensors="pt",
    )
    labels = torch.full(inputs["input_ids"].shape, -100)
    for i, own in enumerate(tags):
        places = inputs.word_ids(i)
        for position, word in enumerate(places):
            if word is not None and (position == 0 or places[position - 1] != word):
                labels[i, position] = own[word]
    names = dict(enumerate(TAGS))
    network = AutoModelForTokenClassification.from_pretrained(encoder, id2label=names)
    fine_tune(network, dict(inputs), labels, steps)
    save(network, tokenizer, folder)


def make_text_head(corpora: Path, encoder: Path, folder: Path, steps: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    records = [record for _, record in training_records(corpora, "mtsamples") if record.get("cats")]
    types = [max(record["cats"], key=record["cats"].get) for record in records]
    names = [name for name, _ in Counter(types).most_common(8)]
    chosen = [(record["text"], names.index(name)) for record, name in zip(records, types) if name in names]
    texts = [text for text, _ in chosen]
    inputs = tokenizer(texts, truncation=True, max_length=LENGTH, padding="max_length", return_tensors="pt")
    labels = torch.tensor([number for _, number in chosen])
    network = AutoModelForSequenceClassification.from_pretrained(encoder, id2label=dict(enumerate(names)))
    fine_tune(network, dict(inputs), labels, steps)
    save(network, tokenizer, folder)


def save(network: Any, tokenizer: Any, folder: Path) -> None:
    network.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load(folder: Path, name: str, **settings: str) -> Any:
    """The imported pipeline, through a folder."""
    import_head(str(folder)).nlp.to_disk(folder.parent / name)
    return spacy.load(folder.parent / name, config={"components": {"clinicalbert": {"model": settings}}})


def entities_of(doc: Doc) -> Entities:
    return {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}


def f1(one: List[Entities], other: List[Entities]) -> str:
    shared = sum(len(a & b) for a, b in zip(one, other))
    return f"{2 * shared / max(1, sum(map(len, one + other))):.2%}"


def logits(model: Any, tokenizer: Any, text: str) -> numpy.ndarray:
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).logits[0].numpy()


def read_notes(corpora: Path, corpus: str, tokenizer: Any, n_notes: int) -> Tuple[List[str], List[str]]:
    """Held-out notes: those that fit into a window with [CLS] and [SEP], and longer ones."""
    texts = [record["text"] for record in held_out_records(corpora, corpus, "test")][:n_notes]
    sizes = [len(tokenizer(text, verbose=False)["input_ids"]) for text in texts]
    short, long = ([text for text, size in zip(texts, sizes) if (size > 512) == is_long] for is_long in (False, True))
    print(f"\n{corpus}: {len(short)} notes that fit into a window, {len(long)} longer ones")
    return short, long


def compare_tokens(folder: Path, corpora: Path, n_notes: int) -> None:
    exact = load(folder, "tokens-pipeline", precision="float32", engine="torch")
    theirs = pipeline("token-classification", str(folder), aggregation_strategy="first", device="cpu")
    short, _ = read_notes(corpora, "ncbi_disease", theirs.tokenizer, n_notes)
    docs = list(exact.pipe(short))
    found = [{(each["start"], each["end"], each["entity_group"]) for each in theirs(text)} for text in short]
    ours = [entities_of(doc) for doc in docs]
    print(f"entities: Hugging Face {sum(map(len, found))}, ours {sum(map(len, ours))}, agreement F1 {f1(ours, found)}")
    print(f"in the default format beside float32: {agreement(docs, list(load(folder, 'again').pipe(short)))}")
    _, long = read_notes(corpora, "mtsamples", theirs.tokenizer, n_notes)
    encodings = [theirs.tokenizer(text, verbose=False, return_offsets_mapping=True) for text in long]
    ends = [encoding["offset_mapping"][510][1] for encoding in encodings]
    behind = [sum(ent.start_char >= end for ent in doc.ents) for doc, end in zip(exact.pipe(long), ends)]
    cut = [sum(each["start"] >= end for each in theirs(text)) for text, end in zip(long, ends)]
    print(f"longer notes: entities behind the first 510 wordpieces: ours {sum(behind)}, Hugging Face {sum(cut)}")
    show_peer("hf_token_pipe", folder, long, ends)


def compare_texts(folder: Path, corpora: Path, n_notes: int) -> None:
    exact = load(folder, "texts-pipeline", precision="float32", engine="torch")
    theirs = pipeline("text-classification", str(folder), device="cpu")
    short, long = read_notes(corpora, "mtsamples", theirs.tokenizer, n_notes)
    docs = list(exact.pipe(short))
    furthest, same = 0.0, 0
    for doc in docs:
        given, *_ = exact.get_pipe("clinical_note_classifier").model.predict([doc])
        furthest = max(furthest, float(numpy.abs(given[0] - logits(theirs.model, theirs.tokenizer, doc.text)).max()))
        same += theirs(doc.text)[0]["label"] == max(doc.cats, key=doc.cats.get)
    print(f"logits differ by {furthest:.1e} at most; the same first category in {same} of {len(short)}")
    print(f"in the default format beside float32: {agreement(docs, list(load(folder, 'again').pipe(short)))}")
    cut = [theirs(text, truncation=True)[0]["label"] for text in long]
    same = sum(max(doc.cats, key=doc.cats.get) == label for doc, label in zip(exact.pipe(long), cut))
    print(f"longer notes: all windows, and the first 510 wordpieces alone, give the same category in {same}")
    errors = Counter(failure(theirs, text) for text in long)
    print(f"Hugging Face's pipeline, if not told to truncate: {dict(errors)}")
    show_peer("hf_text_pipe", folder, long, [0] * len(long))


def failure(theirs: Any, text: str) -> str:
    try:
        theirs(text)
    except Exception as error:  # whatever it is: it is counted
        return type(error).__name__
    return "no error"


def show_peer(factory: str, folder: Path, texts: List[str], ends: List[int]) -> None:
    """How many notes spacy-huggingface-pipelines leaves without entities behind some place, or without categories."""
    try:
        import spacy_huggingface_pipelines  # noqa: F401
    except ImportError:
        print("spacy-huggingface-pipelines is not installed")
        return
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config={"model": str(folder)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        docs = list(nlp.pipe(texts))
    empty = sum(not doc.cats and not any(ent.start_char >= end for ent in doc.ents) for doc, end in zip(docs, ends))
    shown = sum(any(text[:50] in str(each.message) for each in caught) for text in texts)
    print(f"spacy-huggingface-pipelines: nothing for {empty} of {len(docs)}; {shown} of them quoted in warnings")


def without_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in weights.items() if not key.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


DAMAGES = {
    "the head's weights are missing": without_head,
    "config.json says BertModel": lambda folder: change_config(folder, architectures=["BertModel"]),
    "config.json names two labels of three": lambda folder: change_config(folder, id2label={0: "O", 1: "B-X"}),
    "labels are LABEL_0 …": lambda folder: change_config(folder, id2label={i: f"LABEL_{i}" for i in range(3)}),
}


def show_damages(folder: Path) -> None:
    """What becomes of a token classifier's folder that is not what it says."""
    for name, damage in DAMAGES.items():
        with tempfile.TemporaryDirectory() as copied:
            shutil.copytree(folder, copied, dirs_exist_ok=True)
            damage(Path(copied))
            try:
                import_head(copied)
                ours = "imported"
            except ValueError as error:
                ours = str(error).replace(copied, "FOLDER")
            try:
                nlp = spacy.blank("en")
                nlp.add_pipe("hf_token_pipe", config={"model": copied})
                theirs = str(Counter(ent.label_ for ent in nlp("No family history of breast cancer.").ents))
            except Exception as error:  # whatever it is: it is shown
                theirs = f"{type(error).__name__}: {error}"[:200]
        print(f"\n{name}\n  ours: {ours}\n  spacy-huggingface-pipelines: {theirs}")


def main(corpora: Path, encoder: Path, folder: Path, steps: int = 40, notes: int = 100) -> None:
    logging.set_verbosity_error()
    for name, make in (("tokens", make_token_head), ("texts", make_text_head)):
        if not (folder / name).exists():
            make(corpora, encoder, folder / name, steps)
    show_damages(folder / "tokens")
    compare_tokens(folder / "tokens", corpora, notes)
    compare_texts(folder / "texts", corpora, notes)


if __name__ == "__main__":
    typer.run(main)
