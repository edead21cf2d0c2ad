"""The NegEx and ConText test kit: sentences of clinical notes with one marked phrase an item, and whether the phrase is negated, when
it was, and whom it concerns."""

import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .docs import GOLD, Reader, Record, check_span, make_reader, split_of
from .files import FilePath, at, csv_rows, json_lines

PHRASE = "PHRASE"
ASSERTIONS = ("negation", "temporality", "experiencer")
# The kit's own table; its columns' names go on in brackets with the values they take.
_COLUMNS = {
    "line number": "id",
    "condition": "phrase",
    "sentence": "sentence",
    "negation_status": "negation",
    "temporality": "temporality",
    "experiencer": "experiencer",
}


def negex_records(path: FilePath, split: Optional[str] = None) -> Iterator[Record]:
    """Read the kit.

    path (Union[str, Path]): rsAnnotations-1-120-random.txt of the kit, or JSON lines (.jsonl) with id, phrase, sentence, start, end,
        negation, temporality and experiencer.
    split (Optional[str]): "train", "dev" or "test", by sentence (see `sentence_split`); None reads all.
    YIELDS (Record): One record a sentence, in the order of their first items, with the id of the first. Its phrases are
        spans with the label PHRASE in doc.spans["gold"], with the assertions and the item's "id" as attributes. They are not entities,
        for other findings of the sentence may not be marked. A phrase that does not stand in its sentence is a drop.
    RAISES (ValueError): A line is not of the kit, by its number.
    """
    records: Dict[str, Record] = {}
    for item, where in _items(path):
        sentence = item["sentence"]
        if split is None or sentence_split(sentence) == split:
            record = records.setdefault(
                sentence, {"id": item["id"], "text": sentence, "spans": {GOLD: []}, "drops": []}
            )
            attributes = {"id": item["id"], **{name: item[name] for name in ASSERTIONS if item.get(name)}}
            if item["start"] is None:
                record["drops"].append(["phrases that do not stand in their sentence", 0, len(sentence)])
            else:
                check_span(sentence, item["start"], item["end"], where)
                record["spans"][GOLD].append([item["start"], item["end"], PHRASE, attributes])
    yield from records.values()


def sentence_split(sentence: str) -> str:
    """The split of a sentence, the same however its capitals (with which the kit marks phrases) and spaces are."""
    return split_of(" ".join(sentence.lower().split()))


def _items(path: FilePath) -> Iterator[Tuple[Dict[str, Any], str]]:
    if str(path).endswith((".jsonl", ".jsonl.gz")):
        for number, item in json_lines(path):
            if not {"id", "sentence", "start", "end", *ASSERTIONS} <= set(item) or not isinstance(
                item["sentence"], str
            ):
                raise ValueError(f"{at(path, number)} is no item of the kit: id, sentence, start, end, {ASSERTIONS}.")
            yield item, at(path, number)
        return
    for number, row in csv_rows(path, [], delimiter="\t", quoted=False):
        item = {_COLUMNS.get(name.split("(")[0].strip(), name): value.strip() for name, value in row.items()}
        if not set(_COLUMNS.values()) <= set(item):
            raise ValueError(f"{at(path, 1)} does not name the kit's columns: {', '.join(_COLUMNS)}.")
        item["start"], item["end"] = _find(item["sentence"], item["phrase"])
        yield item, at(path, number)


def _find(sentence: str, phrase: str) -> List[Optional[int]]:
    """Where a phrase stands: in capitals, for so the kit marks it, else in any case."""
    for pattern, flags in ((re.escape(phrase.upper()), 0), (re.escape(phrase), re.IGNORECASE)):
        found = re.search(pattern, sentence, flags) if phrase else None
        if found:
            return [found.start(), found.end()]
    return [None, None]


def read_negex(path: FilePath, split: Optional[str] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.negex.v1`; see `negex_records`."""
    return make_reader(lambda: negex_records(path, split), strict)
