"""What is said of lymph nodes: that they have a tumour, that they have none, or something else."""

import re
from typing import NamedTuple, Optional

from .found import GAP, INSIDE, STOP, WRAP

NODES = rf"(?:lymph{GAP})?nodes?"
TUMOUR = r"(?:metasta\w{1,4}|tumou?r|malignan\w{1,3}|carcinoma|adenocarcinoma|neoplas\w{1,3}|micrometastas[ei]s)"
NONE = rf"(?:(?:no|without|negative for|free of|free from|uninvolved by)\s(?:(?:evidence[\s.]{{1,2}}of|metastatic|malignant|definite|invasive|residual|viable|recurrent)\s){{0,3}}{TUMOUR}|{TUMOUR}\W?free)"
VERB = r"\W{1,4}(?:(?:are|is|were|was|with|shows?|all|has|have)[\s.]{1,2}){0,2}"
# "right hilar", "left mid/low axillary". What is counted by a number before these words is something else: "2 cm mass and node".
_NO_KIND = "cm|mm|x|of|with|in|is|are|was|were|no|the|which|from|for|not|but|fragments?|pieces?|sections?|slices?|blocks?|cores?|cassettes?|portions?|nodes?"
KIND = rf"(?:(?!(?:{_NO_KIND})\b)[a-z/-]{{1,16}}{WRAP}){{0,5}}"
# What a node is said to be that has no tumour.
CLEAN = rf"(?:{NONE}|negative\b|free\b|uninvolved\b|not\sinvolved\b|unremarkable\b|benign\b(?!\s(?:fibro|adipose|fat|soft|tissue))|reactive(?:\s|{STOP}\s)(?:(?:lymphoid|follicular|nodal)\s)?(?:hyperplasia|changes?|lymphadeni\w{{2,4}}))"
# What is said of "two of ten nodes", behind them or in front.
_SAID = re.compile(rf"\)?(?:\s?\([^)]{{0,20}}\))?(?:\s{KIND}{NODES}\b)?(?P<rest>:?{INSIDE}{{1,100}})", re.IGNORECASE)
_FREE = re.compile(
    rf"(?:{VERB}|\W{{1,4}}(?:show|reveal|contain|demonstrate|had|have|with)\w?\s)(?:{NONE}|(?:negative|free|benign|uninvolved|unremarkable)\b(?!(?:\s[a-z-]{{1,14}}){{0,2}}\s(?:margin|resection)))",
    re.IGNORECASE,
)
_PREDICATE = re.compile(
    r"\)?\s(?:(?:show|contain|demonstrate|reveal|exhibit|ha[sd]|have|with|are|is|was|were|being)\w{0,2})\s",
    re.IGNORECASE,
)
_HAS_TUMOUR = re.compile(
    rf"{TUMOUR}|positiv|involve|replace|\bextra(?:nod|caps)|disease|cancer|deposit|\bfoc(?:us|i)\b|suspicious|(?<!granul)oma(?:s|tous)?\b|leuk",
    re.IGNORECASE,
)
_NEGATED = re.compile(NONE, re.IGNORECASE)
_TUMOUR_BEFORE = re.compile(rf"(?:{TUMOUR}|positive|involv\w{{2,5}}){INSIDE}{{0,60}}$", re.IGNORECASE)
_FREE_BEFORE = re.compile(
    rf"(?:{NONE}(?:\s(?!metasta|with\b|but\b|and\b)[a-z]{{2,12}}){{0,3}}|{TUMOUR}\s(?:is|was|are|were)\s(?:not\s(?:seen|identified|present|found|detected)|absent))\s(?:in|within|involving|of)\s(?:all\s)?$",
    re.IGNORECASE,
)


class Judged(NamedTuple):
    """How many of some nodes have a tumour, with the words that say it."""

    positive: Optional[int]
    start: int
    end: int


def judge(text: str, start: int, end: int, positive: int, examined: int) -> Judged:
    """Read what is said of "two of ten nodes", behind them or in front.

    text (str): A report.
    start (int): Where the words of the count begin.
    end (int): Where they end.
    positive (int): The first number.
    examined (int): The second one.
    RETURNS (Judged): The count. It is None where it is neither said that they have a tumour nor that they have none.
    """
    said = _SAID.match(text, end)
    rest, low = said["rest"] if said else "", max(0, start - 110)
    free, before = _FREE.match(rest), _FREE_BEFORE.search(text[low:start])
    if said and free and positive == examined:
        return Judged(0, start, said.start("rest") + free.end())
    if before and positive == examined:
        return Judged(0, low + before.start(), end)
    if positive and (free or before):
        return Judged(None, start, end)  # of the others nothing is said
    if positive and _PREDICATE.match(rest) and not _TUMOUR_BEFORE.search(text[low:start]):
        return Judged(positive if _HAS_TUMOUR.search(_NEGATED.sub("", rest)) else None, start, end)
    return Judged(positive, start, end)
