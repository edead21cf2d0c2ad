"""What `clinical_assertion` says of a span: axes, each with labels that exclude each other, and what the attributes of corpora mean on them."""

from typing import Any, Dict, List, Mapping

Axes = Dict[str, List[str]]

# The first label of an axis is what a span has that the text says nothing else of.
AXES: Axes = {
    "certainty": ["present", "absent", "possible", "conditional", "hypothetical"],
    "time": ["recent", "historical"],
    "experiencer": ["patient", "family", "other"],
}

# Attribute of a gold span → its value → what that means: axis → label. No axis: known, and says nothing. Where two attributes
# speak of one axis, the later row decides. Names and values are compared without regard to case.
ATTRIBUTE_LABELS: Dict[str, Dict[str, Dict[str, str]]] = {
    # The NegEx and ConText test kit.
    "negation": {"affirmed": {"certainty": "present"}, "negated": {"certainty": "absent"}},
    "temporality": {
        "recent": {"time": "recent"},
        "historical": {"time": "historical"},
        "hypothetical": {"certainty": "hypothetical"},
        "not particular": {},
    },
    "experiencer": {
        "patient": {"experiencer": "patient"},
        "family member": {"experiencer": "family"},
        "other": {"experiencer": "other"},
    },
    # i2b2 2010, one value a problem. Whose problem it is stands in the last alone; the others are the patient's.
    "assertion": {
        **{label: {"certainty": label, "experiencer": "patient"} for label in AXES["certainty"]},
        "associated_with_someone_else": {"experiencer": "other"},
    },
    # i2b2 2012, and MACCROBAT with its three kinds of doubt.
    "polarity": {
        "pos": {"certainty": "present"},
        "neg": {"certainty": "absent"},
        "maybe_pos": {"certainty": "possible"},
        "maybe_neg": {"certainty": "possible"},
        "uncertain": {"certainty": "possible"},
    },
    "modality": {
        "factual": {},
        "possible": {"certainty": "possible"},
        "conditional": {"certainty": "conditional"},
        "proposed": {"certainty": "hypothetical"},
    },
}


def add_attributes(attributes: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Dict[str, Dict[str, Dict[str, str]]]:
    """Extend the table.

    attributes (Mapping): As `ATTRIBUTE_LABELS`; a value that stands there already gets the new meaning.
    RETURNS (Dict): The table with these rows, with names and values in lower case.
    """
    table = {name: dict(values) for name, values in ATTRIBUTE_LABELS.items()}
    for name, values in attributes.items():
        row = table.setdefault(name.lower(), {})
        row.update({value.lower(): dict(meaning) for value, meaning in values.items()})
    return table


def read_labels(
    attributes: Mapping[str, Any], axes: Axes, table: Mapping[str, Mapping[str, Mapping[str, str]]], where: str
) -> Dict[str, str]:
    """What a gold span's attributes say on the axes. An attribute with the name of an axis gives its label itself; others stand in the
    table, or are none of an assertion.

    attributes (Mapping[str, Any]): As `corpora.docs.span_attributes` gives them. Of an attribute that is a list, each value counts; an axis
        on which these disagree is not known.
    axes (Axes): Those that count. A label that an axis does not have is not known.
    table (Mapping): As `add_attributes` gives it.
    where (str): The place, for the error.
    RETURNS (Dict[str, str]): Axis → label, without the axes of which nothing is known.
    RAISES (ValueError): An attribute of the table, or of an axis' name, has a value that is not known.
    """
    given = {name.lower(): value for name, value in attributes.items()}
    found: Dict[str, str] = {}
    for name in [*table, *(axis for axis in axes if axis not in table)]:
        if given.get(name) is None:
            continue
        values = given[name] if isinstance(given[name], (list, tuple)) else [given[name]]
        meanings: Dict[str, set] = {}
        for value in values:
            for axis, label in _meaning(name, str(value).lower(), axes, table, where).items():
                meanings.setdefault(axis, set()).add(label)
        for axis, labels in meanings.items():
            found.pop(axis, None)
            if len(labels) == 1 and not labels.isdisjoint(axes.get(axis, [])):
                found[axis] = labels.pop()
    return found


def _meaning(
    name: str, value: str, axes: Axes, table: Mapping[str, Mapping[str, Mapping[str, str]]], where: str
) -> Mapping[str, str]:
    known = table.get(name, {})
    if value in known:
        return known[value]
    if value in axes.get(name, []):
        return {name: value}
    raise ValueError(
        f"{where} has a span with the attribute {name} = '{value}', of which it is not known what it means. Mend the annotation, "
        f"or say it in the component's setting attributes: attribute → value → axis → label. Known are: "
        f"{', '.join([*known, *axes.get(name, [])])}."
    )
