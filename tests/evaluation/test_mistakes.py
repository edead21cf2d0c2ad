from collections import Counter

import pytest
import spacy

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.evaluation.mistakes import (
    BORDERS,
    BOTH,
    INVENTED,
    LABEL,
    MISSED,
    RIGHT,
    compare_entities,
    find_mistakes,
    place_of,
)


@pytest.mark.parametrize(
    "gold, found, kinds",
    [
        ({(0, 4, "A")}, {(0, 4, "A")}, []),
        ({(0, 4, "A")}, set(), [MISSED]),
        (set(), {(0, 4, "A")}, [INVENTED]),
        ({(0, 4, "A")}, {(0, 4, "B")}, [LABEL]),
        ({(0, 4, "A")}, {(2, 6, "A")}, [BORDERS]),
        ({(0, 4, "A")}, {(2, 6, "B")}, [BOTH]),
        ({(0, 4, "A")}, {(4, 6, "A")}, [MISSED, INVENTED]),
        # The pair with most in common; the other is left alone.
        ({(0, 9, "A")}, {(0, 2, "A"), (3, 9, "A")}, [INVENTED, BORDERS]),
    ],
)
def test_mistakes_are_told_apart(gold, found, kinds):
    counts = {}
    mistakes = compare_entities(3, gold, dict.fromkeys(found, 0.5), counts)
    assert sorted(each.kind for each in mistakes) == sorted(kinds) and {each.note for each in mistakes} <= {3}
    total = sum(counts.values(), Counter())
    assert total.pop(RIGHT, 0) == len(gold & found) and total == Counter(kinds)
    assert all(place_of(each)[0] < place_of(each)[1] for each in mistakes)


def test_only_what_is_annotated_counts():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": each, "pattern": each} for each in ("A", "B", "C")])
    records = [
        {"id": 1, "text": "A B C x", "entities": [[6, 7, "A"]], "labels": ["A"]},
        {"text": "A B", "entities": [[2, 3, "B"]], "labels": ["A", "B"]},
        {"text": "A B"},
    ]
    found = find_mistakes(nlp, list(to_docs(records, spacy.blank("en"), Report())))
    assert [(each.kind, each.found, each.gold) for each in found.entities] == [
        (INVENTED, (0, 1, "A"), None),
        (INVENTED, (0, 1, "A"), None),
        (MISSED, None, (6, 7, "A")),
    ]
    assert [note.name for note in found.notes["ents"]] == ["1", "#1"] and found.counts["B"] == {RIGHT: 1}


def test_mistakes_in_long_notes_of_which_little_is_known_take_linear_time():
    n = 20_000
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "A", "pattern": "A"}])
    records = [{"text": "A " * n, "entities": [[0, 1, "A"]], "partial": True}]
    found = find_mistakes(nlp, list(to_docs(records, spacy.blank("en"), Report())))
    assert found.entities == [] and found.counts == {"A": {RIGHT: 1}}


def test_notes_without_fitting_annotation_are_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "A", "pattern": "A"}])
    with pytest.raises(ValueError, match="annotated for nothing that the pipeline finds"):
        find_mistakes(nlp, list(to_docs([{"text": "A"}], spacy.blank("en"), Report())))
