"""What the label names of a token classifier mean: IOB1, IOB2, IOBES, BILOU, or labels without prefixes."""

import re
from typing import List, NamedTuple, Tuple

from .crf import BEGIN, IN, LAST, UNIT

# BMES has M for in; E and L end a span, S and U are one of a single token.
_PREFIXES = {"B": BEGIN, "I": IN, "M": IN, "E": LAST, "L": LAST, "S": UNIT, "U": UNIT}
_PREFIXED = re.compile(r"([BIMELSU])[-_](.+)")
_FIX = 'Set id2label in the checkpoint\'s config.json, as {"0": "O", "1": "B-PROBLEM", "2": "I-PROBLEM"}.'


class Scheme(NamedTuple):
    """The meaning of a classifier's outputs.

    name (str): For people: the prefixes that occur, or "no prefixes".
    labels (List[str]): The labels of spans, in the order of their first occurrence.
    outside (int): The output that means no span.
    outputs (List[Tuple[int, int, str]]): The others, as (output, tag, label), with the tags of `crf`.
    """

    name: str
    labels: List[str]
    outside: int
    outputs: List[Tuple[int, int, str]]


def read_scheme(names: List[str]) -> Scheme:
    """Find out what the outputs of a token classifier mean.

    names (List[str]): The name of each, as id2label has them.
    RAISES (ValueError): They do not say it; the message says what to set.
    """
    if all(re.fullmatch(r"LABEL_\d+", name) for name in names):
        raise ValueError(f"The classifier's labels have no names, only {', '.join(names[:3])} …. {_FIX}")
    names = _capitals(names)
    prefixed = {i: match for i, name in enumerate(names) if (match := _PREFIXED.fullmatch(name))}
    others = [i for i in range(len(names)) if i not in prefixed]
    if prefixed:  # what has none is outside, whatever its name
        outside = others
        outputs = [(i, _PREFIXES[match[1]], match[2]) for i, match in prefixed.items()]
    else:
        outside = [i for i in others if names[i].upper() == "O"]
        outputs = [(i, IN, names[i]) for i in others if i not in outside]
    if len(outside) != 1:
        found = ", ".join(f"'{names[i]}'" for i in outside) or "none"
        wanted = "have no prefix such as B- or I-" if prefixed else "are 'O'"
        raise ValueError(
            f"One label must mean that a token is outside of all spans. Of {len(names)} labels, these {wanted}: {found}. {_FIX}"
        )
    if not outputs:
        raise ValueError(f"The classifier has no label but '{names[outside[0]]}'. {_FIX}")
    if len({(tag, label) for _, tag, label in outputs}) < len(outputs):
        raise ValueError(f"Two of the classifier's labels mean the same: {', '.join(sorted(names))}. {_FIX}")
    labels = list(dict.fromkeys(label for *_, label in outputs))
    letters = "".join(sorted({match[1] for match in prefixed.values()}))
    return Scheme(f"prefixes {letters}" if letters else "no prefixes", labels, outside[0], outputs)


def _capitals(names: List[str]) -> List[str]:
    """Prefixes in small letters as the usual ones: where all labels but "o" have one, and some go on."""
    large = [name[:1].upper() + name[1:] for name in names]
    plain = [name for name in names if not _PREFIXED.fullmatch(name[:1].upper() + name[1:])]
    is_small = plain == ["o"] and any(name[0] == "i" for name in names)
    return large if is_small else names
