"""A spaCy pipeline of a fine-tuned Hugging Face checkpoint: what `python -m spacy clinicalbert import-head` does."""

import contextlib
from typing import Any, Dict, Iterator, NamedTuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..encoder.alignment import align, first_pieces, token_offsets
from ..encoder.component import ClinicalBert
from ..encoder.heads import Head, load_head
from ..tokenizer import blank_clinical
from .crf import N_SCORED
from .tag_schemes import Scheme, read_scheme
from .token_tags import NEVER

CONTEXT = 16  # wordpieces on both sides of a cut that are encoded and not kept
# What every import is compared on. No token of it is white space.
TEXT = "The patient denies chest pain, takes aspirin 81 mg daily and was discharged on 2024-03-05."
MAX_DIFFERENCE = 1e-4


class Imported(NamedTuple):
    """What came of an import.

    nlp (Language): The pipeline.
    head (Head): The checkpoint that it was made of.
    difference (float): How far its logits are at most from Hugging Face's own forward, in float32, on a short text.
    says (str): What the head is, for people.
    """

    nlp: Language
    head: Head
    difference: float
    says: str


def import_head(name: str) -> Imported:
    """Make a pipeline of a fine-tuned checkpoint: `clinicalbert`, and `clinical_ner` or `clinical_note_classifier` over it.

    name (str): A folder as the Hugging Face hub has it, or a hub id.
    RETURNS (Imported): The pipeline reads notes of any length, in windows as long as the checkpoint takes, with the clinical tokenizer.
    RAISES (ValueError): The checkpoint is not what it says, or not one that can be imported; the message says what to do. Or the
        pipeline's logits are not Hugging Face's.
    """
    head = load_head(name)
    nlp = blank_clinical()
    encoder = {
        "name": name,
        "pooling": "mean" if head.dense else "first",
        "windows": {
            "@misc": "spacy-clinicalbert.strided_windows.v1",
            "size": head.checkpoint.max_window,
            "context": CONTEXT,
        },
    }
    nlp.add_pipe("clinicalbert", config={"model": encoder})
    _encoder(nlp).shim.checkpoint = head.checkpoint
    says = _add_textcat(nlp, head) if head.dense else _add_ner(nlp, head, read_scheme(head.labels))
    difference = _compare(nlp, head)
    if not difference <= MAX_DIFFERENCE:
        raise ValueError(
            f"The pipeline made of '{name}' does not compute what Hugging Face's {type(head.network).__name__} does: logits differ by "
            f"{difference:.2g}. This is a fault of spacy-clinicalbert, or of this version of transformers; please report it."
        )
    return Imported(nlp, head, difference, says)


def _add_textcat(nlp: Language, head: Head) -> str:
    model = {
        "@architectures": "spacy-clinicalbert.NoteClassifier.v1",
        "activation": head.activation,
        "aggregate": {"@layers": "spacy-clinicalbert.mean.v1"},
        "tok2vec": {"@architectures": "spacy-clinicalbert.WindowListener.v1", "pooling": "first"},
    }
    config = {"exclusive_classes": head.exclusive, "model": model}
    pipe: Any = _add(nlp, "clinical_note_classifier", config, head.labels)
    for ref, layer in (("dense", head.dense), ("output_layer", head.output)):
        _set_layer(pipe.model.get_ref(ref), layer)
    return f"{'exclusive' if head.exclusive else 'independent'} categories {', '.join(head.labels)}"


def _add_ner(nlp: Language, head: Head, scheme: Scheme) -> str:
    # Each tag's score beside that of outside, which clinical_ner takes for 0.
    W = numpy.zeros((N_SCORED, len(scheme.labels), head.output.W.shape[1]), dtype="f")
    b = numpy.full((N_SCORED, len(scheme.labels)), NEVER, dtype="f")
    for output, tag, label in scheme.outputs:
        place = tag - 1, scheme.labels.index(label)
        W[place] = head.output.W[output] - head.output.W[scheme.outside]
        b[place] = head.output.b[output] - head.output.b[scheme.outside]
    pipe: Any = _add(nlp, "clinical_ner", {"mode": "tokens", "threshold": 0.0}, scheme.labels)
    _set_layer(pipe.model.get_ref("output_layer"), (W.reshape(-1, W.shape[-1]), b.ravel()))
    return f"entities {', '.join(scheme.labels)} ({scheme.name})"


def _add(nlp: Language, factory: str, config: Dict[str, Any], labels: list) -> Any:
    pipe = nlp.add_pipe(factory, config=config)
    nlp.config["initialize"]["components"][factory] = {"labels": labels}
    example = Example(nlp.make_doc(TEXT), nlp.make_doc(TEXT))
    nlp.initialize(lambda: [example])
    return pipe


def _set_layer(linear: Any, layer: Any) -> None:
    for name, values in zip(("W", "b"), layer):
        linear.set_param(name, linear.ops.asarray(values))


def _compare(nlp: Language, head: Head) -> float:
    """How far the logits of the pipeline are from Hugging Face's, at the most."""
    expected = head.logits(TEXT)
    with _float32(_encoder(nlp)):
        doc = _encoder(nlp)(nlp.make_doc(TEXT))
    pipe: Any = nlp.get_pipe(nlp.pipe_names[-1])
    given = pipe.model.predict([doc])[0]
    if head.dense:
        return float(numpy.abs(pipe.model.ops.to_numpy(given)[0] - expected).max())
    scheme = read_scheme(head.labels)
    columns = [(tag - 1) * len(scheme.labels) + scheme.labels.index(label) for _, tag, label in scheme.outputs]
    expected = expected[_first_positions(head, doc)]
    expected = expected[:, [output for output, *_ in scheme.outputs]] - expected[:, [scheme.outside]]
    return float(numpy.abs(pipe.model.ops.to_numpy(given)[:, columns] - expected).max())


def _first_positions(head: Head, doc: Doc) -> numpy.ndarray:
    """Where the first wordpiece of each token stands in Hugging Face's input."""
    encoding = head.checkpoint.tokenizer(doc.text, add_special_tokens=False, return_offsets_mapping=True)
    starts, ends = numpy.array(encoding["offset_mapping"], dtype="int64").T
    pieces, _ = first_pieces(*align(*token_offsets(doc), starts, ends))
    return pieces + len(head.checkpoint.prefix)


@contextlib.contextmanager
def _float32(encoder: ClinicalBert) -> Iterator[None]:
    shim = encoder.shim
    kept = shim.precision, shim.engine
    shim.precision, shim.engine = "float32", "torch"
    shim.forget()
    try:
        yield
    finally:
        shim.precision, shim.engine = kept
        shim.forget()


def _encoder(nlp: Language) -> ClinicalBert:
    encoder = nlp.get_pipe("clinicalbert")
    assert isinstance(encoder, ClinicalBert)
    return encoder
