import pytest

from spacy_clinicalbert.pipeline.assertion_axes import ATTRIBUTE_LABELS, AXES, add_attributes, read_labels


@pytest.mark.parametrize(
    "attributes, expected",
    [
        # i2b2 2010
        ({"assertion": "present"}, {"certainty": "present", "experiencer": "patient"}),
        ({"assertion": "absent"}, {"certainty": "absent", "experiencer": "patient"}),
        ({"assertion": "possible"}, {"certainty": "possible", "experiencer": "patient"}),
        ({"assertion": "conditional"}, {"certainty": "conditional", "experiencer": "patient"}),
        ({"assertion": "hypothetical"}, {"certainty": "hypothetical", "experiencer": "patient"}),
        ({"assertion": "associated_with_someone_else"}, {"experiencer": "other"}),
        # The NegEx kit
        ({"id": 7, "negation": "Negated", "temporality": "Recent"}, {"certainty": "absent", "time": "recent"}),
        ({"negation": "Affirmed", "temporality": "Historical"}, {"certainty": "present", "time": "historical"}),
        ({"temporality": "Not particular", "experiencer": "Family member"}, {"experiencer": "family"}),
        ({"negation": "Affirmed", "temporality": "Hypothetical"}, {"certainty": "hypothetical"}),
        # MACCROBAT and i2b2 2012
        ({"POLARITY": "NEG", "TREND": "INC"}, {"certainty": "absent"}),
        ({"POLARITY": "UNCERTAIN"}, {"certainty": "possible"}),
        ({"polarity": "POS", "modality": "FACTUAL"}, {"certainty": "present"}),
        ({"polarity": "POS", "modality": "CONDITIONAL"}, {"certainty": "conditional"}),
        # The axes' own names, several values, and nothing
        ({"certainty": "possible", "Experiencer": "family"}, {"certainty": "possible", "experiencer": "family"}),
        ({"POLARITY": ["NEG", "NEG"]}, {"certainty": "absent"}),
        ({"POLARITY": ["NEG", "POS"]}, {}),
        ({"negation": None, "concept": "C1"}, {}),
    ],
)
def test_attributes_of_the_corpora_mean_labels_on_axes(attributes, expected):
    assert read_labels(attributes, AXES, ATTRIBUTE_LABELS, "note 1") == expected


def test_every_meaning_in_the_table_is_a_label_of_an_axis():
    for values in ATTRIBUTE_LABELS.values():
        for value, meaning in values.items():
            assert value == value.lower()
            assert all(label in AXES[axis] for axis, label in meaning.items())


@pytest.mark.parametrize("attributes", [{"negation": "maybe"}, {"certainty": "sure"}, {"POLARITY": ["NEG", "X"]}])
def test_unknown_values_are_errors_that_name_the_note(attributes):
    with pytest.raises(ValueError, match="note 1 .* setting attributes"):
        read_labels(attributes, AXES, ATTRIBUTE_LABELS, "note 1")


def test_own_attributes_and_axes_extend_the_table():
    table = add_attributes({"Negation": {"Doubtful": {"certainty": "possible"}}, "Sure": {"true": {"grade": "high"}}})
    axes = {**AXES, "grade": ["low", "high"]}
    attributes = {"negation": "doubtful", "sure": True}
    assert read_labels(attributes, axes, table, "note 1") == {"certainty": "possible", "grade": "high"}
    assert read_labels({"negation": "Negated"}, axes, table, "note 1") == {"certainty": "absent"}
    assert "doubtful" not in ATTRIBUTE_LABELS["negation"]


def test_labels_that_the_axes_lack_are_not_known():
    axes = {"certainty": ["present", "absent"]}
    assert read_labels({"assertion": "possible"}, axes, ATTRIBUTE_LABELS, "note 1") == {}
    assert read_labels({"assertion": "absent"}, axes, ATTRIBUTE_LABELS, "note 1") == {"certainty": "absent"}
