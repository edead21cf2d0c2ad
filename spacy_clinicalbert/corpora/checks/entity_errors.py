"""Entities that are likely wrong; see `label_errors.py`. A linear model says of each token what it is from what stands around it.

Of its contradictions those count that concern a whole entity, or words that no entity has: that a model draws the borders of
entities otherwise says little. docs/data.md has how many errors it finds that were put in.
"""

from collections import Counter
from typing import Any, Iterator, List, NamedTuple, Optional

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span

from .findings import WARNING, Kind, Tally, excerpt
from .label_errors import FOLDS, FREQUENT, MAX_LABELS, MIN_OF_CLASS, WEAK, Sample, find_issues

MAX_TOKENS = 200_000  # of all notes together
OUTSIDE = "O"
ENTITY = Kind(
    "likely label error, entity", WARNING, "Entities that a model of other notes contradicts, the surest first"
)


class Place(NamedTuple):
    """Neighbouring tokens with the same contradiction.

    confidence (float): The probability of the given label, where it is least.
    start, end (int): The tokens, over all notes.
    given, likely (str): Labels.
    """

    confidence: float
    start: int
    end: int
    given: str
    likely: str


def see_entities(samples: List[Sample], nlp: Language, tally: Tally) -> None:
    """Look for wrong, missing and superfluous entities.

    nlp (Language): Gives the tokenizer.
    """
    docs: List[Doc] = []
    labels: List[str] = []
    for sample in samples:
        if len(labels) < MAX_TOKENS:
            docs.append(nlp.make_doc(sample.text))
            labels += token_labels(docs[-1], sample.entities or [])
    notes = numpy.repeat(numpy.arange(len(docs)), [len(doc) for doc in docs])  # of each token
    first_tokens = numpy.searchsorted(notes, numpy.arange(len(docs)))
    n_labels = len({*labels} - {OUTSIDE})
    if n_labels > MAX_LABELS:
        tally.add(FREQUENT, "entities", f"of {n_labels}")
    places = _find_places(docs, labels, notes)
    if places is None:
        tally.add(WEAK, "entities")
    for place in sorted(places or ()):
        number = notes[place.start]
        span: Span = docs[number][place.start - first_tokens[number] : place.end - first_tokens[number]]
        detail = f"{place.given} ({place.confidence:.2f}), more likely {place.likely}"
        where = f"characters {span.start_char}-{span.end_char}: {detail}"
        tally.add(ENTITY, samples[number].name, where, excerpt(span.doc.text, span.start_char, span.end_char))


def _find_places(docs: List[Doc], labels: List[str], notes: numpy.ndarray) -> Optional[List[Place]]:
    """RETURNS (Optional[List[Place]]): None if the model knows too little."""
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, PredefinedSplit

    counts = dict(Counter(labels).most_common(MAX_LABELS + 1))  # with that of no entity
    rows = numpy.array([row for row, label in enumerate(labels) if counts.get(label, 0) >= MIN_OF_CLASS], dtype="int64")
    if len(numpy.unique(notes[rows])) < MIN_OF_CLASS:
        return []
    folds = numpy.zeros(len(rows), dtype="int64")
    for number, (_, tested) in enumerate(GroupKFold(FOLDS).split(rows, groups=notes[rows])):
        folds[tested] = number
    # A label of one fold alone is unknown to the model that judges that fold: it would contradict every entity there.
    places = {(labels[row], fold) for row, fold in zip(rows.tolist(), folds.tolist())}
    names = sorted(label for label, n_folds in Counter(label for label, _ in places).items() if n_folds > 1)
    if names == [OUTSIDE] or len(names) < 2:
        return []
    is_judged = numpy.array([labels[row] in names for row in rows])
    rows, folds = rows[is_judged], folds[is_judged]
    hasher = FeatureHasher(2**18, input_type="string", dtype=numpy.float32)
    features = hasher.transform(each for doc in docs for each in token_features(doc))
    classes = numpy.array([names.index(labels[row]) for row in rows])
    background = names.index(OUTSIDE) if OUTSIDE in names else None
    model = LogisticRegression(solver="saga", max_iter=15, random_state=0)
    issues = find_issues(model, features[rows], classes, PredefinedSplit(folds), background)
    if issues is None:
        return None
    found: List[Place] = []
    for issue in sorted(issues, key=lambda issue: issue.row):
        token = int(rows[issue.row])
        place = Place(issue.confidence, token, token + 1, names[issue.given], names[issue.likely])
        last = found[-1] if found else None
        if last and last.end == token and notes[token - 1] == notes[token] and last[3:] == place[3:]:
            found[-1] = last._replace(end=token + 1, confidence=min(last.confidence, place.confidence))
        else:
            found.append(place)
    return [place for place in found if place.given == OUTSIDE or _is_whole(place, labels, notes)]


def _is_whole(place: Place, labels: List[str], notes: numpy.ndarray) -> bool:
    around = [token for token in (place.start - 1, place.end) if 0 <= token < len(labels)]
    return not any(labels[token] == place.given and notes[token] == notes[place.start] for token in around)


def token_labels(doc: Doc, entities: List[Any]) -> List[str]:
    """RETURNS (List[str]): The label of each token; of entities over one another, the last one's."""
    labels = [OUTSIDE] * len(doc)
    for start, end, label, *_ in entities:
        for token in doc.char_span(start, end, alignment_mode="contract") or ():
            labels[token.i] = label
    return labels


def token_features(doc: Doc) -> Iterator[List[str]]:
    """What the model sees of each token: itself, its shape and its ends, and two neighbours on both sides."""
    lower = ["", "", *(token.lower_ for token in doc), "", ""]
    for i, token in enumerate(doc):
        word = lower[i + 2]
        around = [f"{place}{lower[i + 2 + place]}" for place in (-2, -1, 1, 2)]
        pairs = [f"<{lower[i + 1]} {word}", f">{word} {lower[i + 3]}"]
        yield [f"w{word}", f"s{token.shape_}", f"p{word[:3]}", f"e{word[-3:]}", *around, *pairs]
