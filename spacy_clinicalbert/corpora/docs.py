"""Records → spaCy Docs, with a report of what could not be kept.

A record is the project's own form of an annotated note, one JSON object a line in a file, where all but
`text` is optional:

    {"id": "n1", "patient": "p1", "text": "...",
     "entities": [[start, end, label], ...], "cats": {"consult": 1.0}, "spans": {"sections": [[start, end, label], ...]}}

Offsets count characters. An entity or span can have attributes as a fourth value, {"negation": "negated"}; one of several
parts is given by what covers it, with its parts as the attribute "parts", [[start, end], ...].

A record without "entities" was not annotated for them; one with an empty list has none. "labels" lists what the annotators
looked for, if that is not everything: of other labels nothing is known. With "partial": true the entities are some of those that
are there: of tokens in none of them nothing is known. A category that is not in "cats", or is null there, is not known either.

Also read are "questions" [{"id", "question"}] about the text, its "summary", "meta" (whatever else is known of the note, a dict)
and "annotated" (component → labels, see `install_extensions`). A reader puts what it could not read of a note into "drops",
[[reason, start, end], ...], and sets "partial" if these are not the places of what is lost; or, if that is the whole note, the reason into
"drop". Kinds of annotation that have no place in a Doc are counted in "unread", {kind: count}. With "widen", spans take in the tokens that they
cut.
"""

import logging
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple
from zlib import crc32

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.util import filter_spans

from .files import is_text
from .report import Report

logger = logging.getLogger(__name__)

GOLD = "gold"  # the span group that readers put annotation into
MISPLACED = "entities whose text does not stand at their offsets"  # a drop that leaves a record "partial"
ATTRIBUTES = "attributes"  # in a span group's attrs: a dict for each of its spans
# Heads that learn from entities and from categories, by the names that components have if nobody names them.
ENTITY_HEADS = ("ner", "clinical_ner", "spancat")
CATEGORY_HEADS = ("textcat", "textcat_multilabel", "clinical_note_classifier", "clinical_pathology")

Record = Dict[str, Any]
Reader = Callable[[Language], Iterator[Example]]


def install_extensions() -> None:
    """Declare what `DocBin(store_user_data=True)` keeps of a note: `doc._.note_id`, `patient`, `questions` and `meta`, as in the
    record, `reference_summary` (its "summary": `doc._.summary` is what `clinical_summary` chose), None where it has none, and
    `annotated`: component → the labels that it may learn from this Doc. A component that is not in it may learn all; an empty tuple says that nothing was annotated for it."""
    for name in ("note_id", "patient", "questions", "reference_summary", "meta", "annotated"):
        if not Doc.has_extension(name):
            Doc.set_extension(name, default=None)


def _tuples(value: Any) -> Any:
    """Tuples for lists, however deep: a .spacy file gives tuples back, so a Doc has them from the start."""
    if isinstance(value, dict):
        return {name: _tuples(each) for name, each in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


def span_attributes(doc: Doc, group: str = GOLD) -> List[Dict[str, Any]]:
    """The attributes of a group's spans, in their order; an attribute that a span lacks is not known.

    RETURNS (List[Dict[str, Any]]): One dict a span.
    """
    spans = doc.spans[group]
    return spans.attrs.get(ATTRIBUTES) or [{} for _ in spans]


def check_span(text: str, start: Any, end: Any, where: str) -> None:
    """Raise ValueError if offsets cannot be those of a piece of the text: then the file is damaged, or annotates another text.

    where (str): The place, for the error.
    """
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= len(text)):
        raise ValueError(f"{where} has offsets that are not within the text ({len(text)} characters).")


def to_docs(records: Iterable[Record], nlp: Language, report: Report) -> Iterator[Doc]:
    """Make a Doc of each record. `doc.spans["gold"]` has every entity that falls on token borders, with its attributes (see
    `span_attributes`); `doc.ents` has those of them that are of one part and do not overlap a longer one. The tokens of
    the others, and of drops, have missing entity annotation, which is not the same as being outside of entities; a note of which
    nothing else is left is one that was not annotated for them.

    records (Iterable[Record]): The annotated notes; see the module's docstring.
    nlp (Language): Gives the tokenizer.
    report (Report): Counts what is read, kept and dropped.
    YIELDS (Doc): One Doc a record that has text.
    """
    install_extensions()
    for number, record in enumerate(records):
        report.read += 1
        where = f"note {record.get('id', number)}"
        report.unread.update(record.get("unread", {}))
        if "drop" in record or not record.get("text", "").strip():
            report.drop(record.get("drop", "notes without text"), where)
            continue
        if not is_text(record["text"]):
            raise ValueError(
                f"{where.capitalize()} has half of a surrogate pair, which is no character. Mend the text where it was exported."
            )
        doc = nlp.make_doc(record["text"])
        doc._.note_id = record.get("id")
        for name in ("patient", "questions", "meta"):
            setattr(doc._, name, _tuples(record.get(name)))
        doc._.reference_summary = record.get("summary")
        doc.cats = {label: float(value) for label, value in record.get("cats", {}).items() if value is not None}
        for reason, start, end in record.get("drops", []):
            report.entities += 1
            report.drop(reason, f"{where}, characters {start}-{end}")
        groups = {
            name: _read_spans(doc, rows, record, report, where)[0] for name, rows in record.get("spans", {}).items()
        }
        report.spans += sum(map(len, record.get("spans", {}).values()))
        known = False
        if "entities" in record:  # else they are missing, which is not the same as none
            report.entities += len(record["entities"])
            entities, cut = _read_spans(doc, record["entities"], record, report, where)
            _set_ents(doc, entities, [*cut, *_dropped(doc, record, where)], report, where)
            known = doc.has_annotation("ENT_IOB")
            if known:
                groups[GOLD] = entities + groups.get(GOLD, [])
        doc._.annotated = _tuples(_annotated(record, known, list(doc.cats)))
        for name, spans in groups.items():
            # Beside the spans and not on them: spaCy keys what a span holds by its offsets, without its label.
            attrs = {ATTRIBUTES: [attributes for _, attributes in spans]} if any(dict_ for _, dict_ in spans) else {}
            doc.spans[name] = SpanGroup(doc, name=name, spans=[span for span, _ in spans], attrs=attrs)
        report.kept += 1
        yield doc


def _read_spans(
    doc: Doc, rows: List[Any], record: Record, report: Report, where: str
) -> Tuple[List[Tuple[Span, Dict[str, Any]]], List[Span]]:
    """The spans that fall on token borders, each with its attributes, and what covers each of the others."""
    spans: List[Tuple[Span, Dict[str, Any]]] = []
    cut: List[Span] = []
    text = doc.text  # which spaCy puts together at each call
    for start, end, label, *attributes in rows:
        place = f"{where}, characters {start}-{end}"
        check_span(text, start, end, place)
        piece = text[start:end]
        left, right = len(piece) - len(piece.lstrip()), len(piece) - len(piece.rstrip())
        if not piece.strip():
            report.drop("spans of no text", place)
            continue
        if left or right:
            report.mended["white space at the ends of a span, left off"] += 1
        span = doc.char_span(start + left, end - right, label=label)
        if span is None:
            covering = doc.char_span(start + left, end - right, label=label, alignment_mode="expand")
            assert covering is not None  # each character is in a token
            if not record.get("widen"):
                report.drop("entities that do not fall on token borders", place)
                cut.append(covering)
                continue
            report.mended["spans widened to token borders"] += 1
            span = covering
        spans.append((span, dict(attributes[0]) if attributes else {}))
    return spans, cut


def _dropped(doc: Doc, record: Record, where: str) -> Iterator[Span]:
    """What covers the entities that the reader dropped: all of the text where it does not know their places."""
    if record.get("partial"):
        yield doc[:]
        return
    text = doc.text
    for _, start, end in record.get("drops", []):
        check_span(text, start, end, f"{where}, characters {start}-{end}")
        covering = doc.char_span(start, end, alignment_mode="expand")
        if covering is not None and start < end:
            yield covering


def _set_ents(
    doc: Doc, entities: List[Tuple[Span, Dict[str, Any]]], cut: List[Span], report: Report, where: str
) -> None:
    whole: List[Span] = []
    for span, attributes in entities:
        if "parts" in attributes:
            place = f"{where}, characters {span.start_char}-{span.end_char}"
            report.drop("entities of several parts, in doc.spans['gold'] only", place)
        else:
            whole.append(span)
    ents = filter_spans(whole)
    lost = {token.i for span in [*cut, *(span for span, _ in entities)] for token in span}
    lost -= {token.i for span in ents for token in span}
    doc.set_ents(ents, missing=[doc[i : i + 1] for i in sorted(lost)])
    kept = {id(span) for span in ents}
    for span in whole:
        if id(span) not in kept:
            place = f"{where}, characters {span.start_char}-{span.end_char}"
            report.drop("entities that overlap a longer one, in doc.spans['gold'] only", place)


def _annotated(record: Record, known: bool, cats: List[str]) -> Dict[str, List[str]]:
    labels: Optional[List[str]] = record.get("labels") if known else []
    heads = ENTITY_HEADS[:2] if record.get("spans") and not known else ENTITY_HEADS
    annotated = {} if labels is None else {head: list(labels) for head in heads}
    annotated.update({head: cats for head in CATEGORY_HEADS})
    annotated.update(record.get("annotated") or {})
    return annotated


def split_of(note_id: object) -> str:
    """The split that a note belongs to, by its id alone: 70 % train, 10 % dev, 20 % test. It stays the same
    whatever else the file holds, and a note that stands there several times is in one split."""
    bucket = crc32(str(note_id).encode()) % 10
    return "train" if bucket < 7 else "dev" if bucket == 7 else "test"


def make_reader(read: Callable[[], Iterable[Record]], strict: bool) -> Reader:
    """Make the callable that a `[corpora]` block of a spaCy config wants.

    read (Callable[[], Iterable[Record]]): Opens the corpus anew at each call, once an epoch.
    strict (bool): Whether a drop is an error.
    RETURNS (Callable[[Language], Iterator[Example]]): Yields Examples and logs the report at the end; the first one that has drops is a
        warning, for a config's reader is read many times, and nobody sees more than warnings.
    """
    warned = False

    def examples(nlp: Language) -> Iterator[Example]:
        nonlocal warned
        report = Report(strict=strict)
        for doc in to_docs(read(), nlp, report):
            yield Example(nlp.make_doc(doc.text), doc)
        warns = bool(report.dropped) and not warned
        warned = warned or warns
        logger.log(logging.WARNING if warns else logging.INFO, "%s", report)

    return examples


def read_annotated(reader: Callable[[Language], Iterable[Example]], components: Dict[str, List[str]]) -> Reader:
    """The registered reader `spacy-clinicalbert.annotated.v1`: another reader's Examples, with `doc._.annotated` set for
    components that have names of their own.

    reader (Callable[[Language], Iterable[Example]]): The other reader, `spacy.Corpus.v1` as well as those here.
    components (Dict[str, List[str]]): Name of a component in the pipeline → the labels that this corpus annotates for it.
    RETURNS (Callable[[Language], Iterator[Example]]): Yields the Examples.
    """
    install_extensions()

    def examples(nlp: Language) -> Iterator[Example]:
        for example in reader(nlp):
            example.reference._.annotated = {**(example.reference._.annotated or {}), **_tuples(components)}
            yield example

    return examples


def read_default_attributes(
    reader: Callable[[Language], Iterable[Example]], attributes: Dict[str, Any], labels: Optional[List[str]] = None
) -> Reader:
    """The registered reader `spacy-clinicalbert.default_attributes.v1`: another reader's Examples, with attributes for the gold spans that
    have none of their names. For corpora that write down only what is out of the ordinary: MACCROBAT, for instance, has POLARITY where
    a finding is absent or doubtful, and nothing where it is present.

    reader (Callable[[Language], Iterable[Example]]): The other reader, `spacy.Corpus.v1` as well as those here.
    attributes (Dict[str, Any]): Attribute → what its absence means, {"POLARITY": "POS"}.
    labels (Optional[List[str]]): The spans' labels for which it means that; None takes all.
    RETURNS (Callable[[Language], Iterator[Example]]): Yields the Examples.
    """
    install_extensions()

    def examples(nlp: Language) -> Iterator[Example]:
        for example in reader(nlp):
            group = example.reference.spans.get(GOLD, [])
            rows = span_attributes(example.reference) if group else []
            filled = [
                {**attributes, **row} if labels is None or span.label_ in labels else row
                for span, row in zip(group, rows)
            ]
            if filled:
                group.attrs[ATTRIBUTES] = filled
            yield example

    return examples
