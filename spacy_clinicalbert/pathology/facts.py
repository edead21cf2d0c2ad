"""What a report states, as facts that a `clinical_note_classifier` has weights for: counts and sizes by bounds that stages are told apart by, which no word says."""

from typing import Any, Callable, Iterator, List, Tuple

from spacy.tokens import Doc

from ..pipeline.note_words import Fact
from .component import stated_record
from .record import PathologyRecord, Value

# Bounds of T categories by size, in mm (AJCC Cancer Staging Manual, 8th edition: breast 5, 10, 20, 50; lung 10 to 70; kidney 40, 70, 100), with one between.
SIZES = (5, 10, 15, 20, 30, 40, 50, 70, 100)
# Bounds of N categories by the number of positive nodes (the same: breast 1 to 3, 4 to 9, 10 or more; stomach 1 to 2, 3 to 6, 7 or more).
NODES = (0, 2, 3, 6, 9)
FIELDS = "site histologic_type grade margins lymphovascular_invasion perineural_invasion".split()
N_SITES = 3  # those named first; a report's later ones are often of other specimens


def pathology_facts() -> Callable[[Doc], List[Fact]]:
    """The registered function `spacy-clinicalbert.pathology_facts.v1`: facts of a pathology report for `spacy-clinicalbert.NoteClassifier.v1`. Stated T, N, M and stage groups are none
    of them: `clinical_pathology` joins these with what is inferred.

    RETURNS (Callable[[Doc], List[Fact]]): Finds them.
    """
    return find_facts


def find_facts(doc: Doc) -> List[Fact]:
    """RETURNS (List[Fact]): One for each place of each fact."""
    places = []
    for name, value in _facts(stated_record(doc)):
        for each in value.evidence:
            span: Any = doc.char_span(each.start, each.end, alignment_mode="expand")
            places.append(Fact(name, span.start, span.end))
    return places


def _facts(record: PathologyRecord) -> Iterator[Tuple[str, Value]]:
    for field in FIELDS:
        for value in getattr(record, field):
            yield f"{field} {value.value}", value
    sizes = [(value.value[0], value) for value in record.tumour_size if isinstance(value.value, list)]
    if sizes:
        size, largest = max(sizes, key=lambda each: each[0])
        for bound in SIZES:
            yield f"tumour_size {_side(size, bound)}", largest
        bucket = max((bound for bound in SIZES if size > bound), default=0)
        for site in record.site[:N_SITES]:
            yield f"{site.value} tumour_size > {bucket}", largest
    counted, n_positive = _positive(record.nodes_positive)
    for value in counted:
        for bound in NODES:
            yield f"nodes_positive {_side(n_positive, bound)}", value


def _side(number: float, bound: float) -> str:
    return f"> {bound}" if number > bound else f"<= {bound}"


def _positive(values: List[Value]) -> Tuple[List[Value], int]:
    """RETURNS (Tuple[List[Value], int]): The values that say how many lymph nodes are positive in all, and how many."""
    numbers = [(value, value.value) for value in values if isinstance(value.value, int)]
    whole = [each for each in numbers if not each[0].part]
    counted = [max(whole, key=lambda each: each[1])] if whole else numbers
    return [value for value, _ in counted], sum(number for _, number in counted)
