"""A new spaCy project for somebody's own annotated notes: corpus, config and workflow, with the heads that the annotation feeds."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config

from ..corpora.batchers import batch_by_wordpieces
from ..corpora.docs import GOLD, Report, span_attributes, split_of
from ..corpora.formats import read_corpus
from ..encoder.checkpoints import read_width
from ..pipeline.assertion_axes import ATTRIBUTE_LABELS, AXES, read_labels
from ..tokenizer import blank_clinical

BATCH = 2000  # wordpieces
# Learning rates. An encoder of mini's size is good at 3e-4; what is wider than `SMALL` counts as a BERT-base, which wants 5e-5 at most (Devlin et al., NAACL
# 2019). clinical_ner gains from a faster one than the encoder's (docs/models.md); of the other heads it has not been measured.
SMALL, RATE, RATE_LARGE, RATE_NER = 512, 3e-4, 5e-5, 2e-3

BASE = """
[paths]
train = "corpus/train.spacy"
dev = "corpus/dev.spacy"
encoder = null

[system]
seed = 0
gpu_allocator = "pytorch"

[nlp]
lang = "en"
pipeline = []
batch_size = 64

[nlp.tokenizer]
@tokenizers = "spacy-clinicalbert.ClinicalTokenizer.v1"

[components]

[components.clinicalbert]
factory = "clinicalbert"

[components.clinicalbert.model]
@architectures = "spacy-clinicalbert.Encoder.v1"
name = ${paths.encoder}

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.dev}

[training]
seed = ${system.seed}
gpu_allocator = ${system.gpu_allocator}
max_steps = 0
patience = 0

[training.batcher]
@batchers = "spacy-clinicalbert.batch_by_wordpieces.v1"
name = ${paths.encoder}

[training.optimizer]
@optimizers = "spacy-clinicalbert.Adam.v1"
L2 = 0.01
L2_is_weight_decay = true
grad_clip = 1.0
use_averages = false

[training.optimizer.learn_rate]
@schedules = "warmup_linear.v1"
"""
# Component → its score.
SCORES = {"clinical_ner": "ents_f", "clinical_assertion": "assertion_macro_f", "clinical_note_classifier": "cats_score"}
PROJECT = """title: {title}
description: "Made by `python -m spacy clinicalbert init`: {heads}."

vars:
  name: {name}
  version: "0.1.0"
  gpu: -1

directories: ["corpus", "metrics", "packages", "training"]

workflows:
  all: ["check", "train", "evaluate", "package"]

commands:
  - name: "check"
    help: "Look for defects of the annotation (extra quality)"
    script: ["python -m spacy clinicalbert check train=corpus/train.spacy dev=corpus/dev.spacy --html checks.html"]
    deps: ["corpus/train.spacy", "corpus/dev.spacy"]
  - name: "train"
    help: "Train; goes on where it was stopped"
    script: ["python -m spacy clinicalbert train config.cfg --output training --resume --gpu-id ${{vars.gpu}}"]
    deps: ["config.cfg", "corpus/train.spacy", "corpus/dev.spacy"]
    outputs: ["training/model-best"]
  - name: "evaluate"
    help: "Scores on the notes held out"
    script: ["python -m spacy evaluate training/model-best corpus/dev.spacy --output metrics/dev.json --gpu-id ${{vars.gpu}}"]
    deps: ["training/model-best", "corpus/dev.spacy"]
    outputs: ["metrics/dev.json"]
  - name: "package"
    help: "A wheel, built without a network (extra workflow)"
    script:
      - "python -m spacy package training/model-best packages --name ${{vars.name}} --version ${{vars.version}} --build none --force"
      - "python -m build --quiet --wheel --no-isolation --outdir packages packages/en_${{vars.name}}-${{vars.version}}"
    deps: ["training/model-best"]
    outputs: ["packages/en_${{vars.name}}-${{vars.version}}-py3-none-any.whl"]
"""


class Found(NamedTuple):
    """What notes are annotated with.

    labels (Counter): Label of an entity → how many there are.
    assertions (Counter): Axis of assertion and label on it, as "certainty absent" → how many entities have it.
    cats (Counter): Category → how many notes are in it.
    is_exclusive (bool): Whether each note that has categories is in exactly one of them.
    """

    labels: Counter
    assertions: Counter
    cats: Counter
    is_exclusive: bool

    @property
    def heads(self) -> List[str]:
        """The components that learn from it."""
        axes = Counter(name.split()[0] for name in self.assertions)
        found = {
            "clinical_ner": bool(self.labels),
            "clinical_assertion": any(n > 1 for n in axes.values()),  # where all are the same there is nothing to learn
            # Exclusive classes want a second one.
            "clinical_note_classifier": len(self.cats) > 1 if self.is_exclusive else any(self.cats.values()),
        }
        return [name for name, feeds in found.items() if feeds]


def new_project(
    folder: Path, train: str, dev: Optional[str] = None, *, encoder: str = "mini", epochs: int = 5
) -> Tuple[Found, List[str]]:
    """Write a project: `corpus/train.spacy`, `corpus/dev.spacy`, `config.cfg` and `project.yml`.

    folder (Path): Is made; may be there, if none of these files is.
    train (str): The annotated notes, as `corpora.formats.read_corpus` takes them.
    dev (Optional[str]): Notes held out for development. None takes a fifth of the others, by patient where they say whose they are, else by id.
    encoder (str): As `clinicalbert` takes it.
    epochs (int): Passes over the training notes.
    RETURNS (Tuple[Found, List[str]]): What the training notes are annotated with, and a line on each file of notes, without text.
    RAISES (ValueError): The notes cannot be read, no head can learn from them, or the folder has a project already.
    """
    taken = [name for name in ("config.cfg", "project.yml", "corpus") if (folder / name).exists()]
    if taken:
        raise ValueError(f"'{folder}' has {' and '.join(taken)} already: name another folder.")
    if Path(encoder).is_dir():  # the project is run from its own folder
        encoder = str(Path(encoder).absolute())
    nlp, report = blank_clinical(), Report()
    docs = {"train": list(read_corpus(train, nlp, report))}
    said = [f"train: {report}"]
    if dev is None:
        docs["train"], docs["dev"] = _divide(docs["train"])
        said.append(f"dev: {len(docs['dev'])} of these notes, held out")
    else:
        report = Report()
        docs["dev"] = list(read_corpus(dev, nlp, report))
        said.append(f"dev: {report}")
    for name, notes in docs.items():
        if not notes:
            raise ValueError(f"No note is left for {name}: bring more notes, or name a file of others with --dev.")
    found = find_annotation(docs["train"])
    if not found.heads:
        raise ValueError(
            f"The notes of '{train}' have neither entities nor categories that tell some of them from others, so that there is nothing to learn. docs/data.md "
            "has the forms that are read."
        )
    held_out = find_annotation(docs["dev"])
    if "clinical_note_classifier" in found.heads:  # a note held out with two classes would end the training
        found = found._replace(is_exclusive=found.is_exclusive and held_out.is_exclusive)
    unscored = [name for name in found.heads if name not in held_out.heads]
    if unscored:
        said.append(f"dev: too little annotation there to tell how good {', '.join(unscored)} will be")
    config = make_config(nlp, docs["train"], found, encoder, epochs)
    (folder / "corpus").mkdir(parents=True)
    for name, notes in docs.items():
        DocBin(docs=notes, store_user_data=True).to_disk(folder / "corpus" / f"{name}.spacy")
    config.to_disk(folder / "config.cfg", interpolate=False)
    name = package_name(folder.resolve().name)
    heads = ", ".join(["clinicalbert", *found.heads])
    title = json.dumps(folder.resolve().name, ensure_ascii=False)  # YAML knows no pairs of escapes
    text = PROJECT.format(title=title, name=json.dumps(name), heads=heads)
    (folder / "project.yml").write_text(text, encoding="utf8")
    return found, said


def package_name(folder: str) -> str:
    """RETURNS (str): The name of a folder as one that spaCy takes for a package, and that the file of a wheel keeps."""
    plain = unicodedata.normalize("NFKD", folder.lower())  # letters without their accents
    name = re.sub("[^a-z0-9]+", "_", re.sub("[^\x00-\x7f]", "", plain)).strip("_")
    return name if name[:1].isalpha() else f"notes_{name}".rstrip("_")


def find_annotation(docs: Iterable[Doc]) -> Found:
    """Count what notes are annotated with.

    RAISES (ValueError): An attribute that assertions are read from has a value of which it is not known what it means.
    """
    labels: Counter = Counter()
    assertions: Counter = Counter()
    cats: Counter = Counter()
    is_exclusive = True
    for doc in docs:
        if GOLD in doc.spans:
            labels.update(span.label_ for span in doc.spans[GOLD])
            for attributes in span_attributes(doc):
                read = read_labels(attributes, AXES, ATTRIBUTE_LABELS, f"note {doc._.note_id}")
                assertions.update(f"{axis} {label}" for axis, label in read.items())
        else:
            labels.update(ent.label_ for ent in doc.ents)
        cats.update({label: int(value > 0.5) for label, value in doc.cats.items()})
        is_exclusive &= not doc.cats or sum(value > 0.5 for value in doc.cats.values()) == 1
    return Found(labels, assertions, cats, is_exclusive)


def make_config(nlp: Language, docs: List[Doc], found: Found, encoder: str, epochs: int) -> Config:
    """RETURNS (Config): For training the heads that the annotation feeds, complete, its steps those of the notes."""
    config = Config().from_str(BASE, interpolate=False)
    config["paths"]["encoder"] = encoder
    config["nlp"]["pipeline"] = ["clinicalbert", *found.heads]
    for name in found.heads:
        config["components"][name] = _head(name, found)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    n_batches = sum(1 for _ in batch_by_wordpieces(encoder, size=BATCH)(examples))
    rate = RATE_NER if "clinical_ner" in found.heads else RATE
    encoder_rate = RATE if read_width(encoder) <= SMALL else RATE_LARGE
    config["components"]["clinicalbert"]["model"]["lr_scale"] = round(encoder_rate / rate, 4)
    training: Dict[str, Any] = config["training"]
    training.update(max_epochs=epochs, eval_frequency=max(1, n_batches // 2))
    training["batcher"]["size"] = BATCH
    steps = {"total_steps": epochs * n_batches, "warmup_steps": epochs * n_batches // 10}
    training["optimizer"]["learn_rate"].update(initial_rate=rate, **steps)
    training["score_weights"] = {SCORES[name]: round(1 / len(found.heads), 3) for name in found.heads}
    return load_model_from_config(config, auto_fill=True).config


def _head(name: str, found: Found) -> Dict[str, Any]:
    listener = {"@architectures": "spacy-clinicalbert.Listener.v1", "upstream": "clinicalbert"}
    if name == "clinical_note_classifier":
        listener = {"@architectures": "spacy-clinicalbert.WindowListener.v1", "upstream": "clinicalbert"}
        return {
            "factory": name,
            "exclusive_classes": found.is_exclusive,
            "model": {"@architectures": "spacy-clinicalbert.NoteClassifier.v1", "words": 32768, "tok2vec": listener},
        }
    architecture = {"clinical_ner": "SpanTagger", "clinical_assertion": "Assertion"}[name]
    return {"factory": name, "model": {"@architectures": f"spacy-clinicalbert.{architecture}.v1", "tok2vec": listener}}


def _divide(docs: List[Doc]) -> Tuple[List[Doc], List[Doc]]:
    """A fifth of the notes apart, those of a patient together. A note that says neither whose it is nor its id goes by its text, so that copies
    stay together."""
    parts: Dict[bool, List[Doc]] = {True: [], False: []}
    for doc in docs:
        owner = next((each for each in (doc._.patient, doc._.note_id) if each not in (None, "")), doc.text)
        parts[split_of(owner) == "test"].append(doc)
    return parts[False], parts[True]
