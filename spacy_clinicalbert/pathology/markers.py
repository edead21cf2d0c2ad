"""Receptors and other markers, with their results."""

import re
from typing import Iterator, List, Match, Optional, Tuple

from .found import Found, Report
from .marker_names import VOCABULARY

_RESULT = r"(?P<result>positiv\w{1,3}|negativ\w{1,3}|not\s(?:expressed|amplified|overexpressed|detected)|indeterminate|equivocal|retained|intact|lost|no\sloss\b|loss\b(?!\s(?:is\s|was\s)?(?:not|absent))|detected\b|no\s(?:expression|staining|reactivity|amplification|over-?expression)|(?:(?:staining|expression)\s(?:is\s)?|(?<=:\s)|(?<=staining\s)|(?<=expression\s))(?:present|absent|preserved)\b|overexpressed|amplified|unamplified|non\W?amplified|wild\W?type|[+](?![\w])|(?<=[\w)])-(?=[\s,;.)/]|$))"
_OTHERS = r"(?!\s(?:stain\w{0,3}\s)?for\b)(?!\s(?:is|are)\sdefined\b)(?! (?:surgical\s|resection\s|sentinel\s)?(?:margins?|(?:lymph\s)?nodes?|controls?|tumou?rs|patients|cases|cancers|carcinomas)\b)"  # whose result it is instead
_ASIDE = r"(?:\s?\((?:[^)]{0,25})\))?"
_HOW = r"(?:very\s)?(?:(?:diffusely|strongly|weakly|focally|patchy|focal|strong|weak|moderate|diffuse|cytoplasmic|nuclear|membranous|low|high|variably|variable|patchy)\s(?:and\s)?){0,3}"
_RATIO = r"(?:\d{1,2}\.\d{1,2}[,;\s(]{1,3}(?=(?:not\s|non\W?|un)?amplified))?"  # of in situ hybridisation
_CLONE = r"(?:[.:]\s(?=\w*\d)(?-i:[A-Z\d])\w{2,8}[\s(-]{0,2}(?=\.))?"  # a cell between the name and the result, "6F11"
# Behind a name. A result in brackets stands first: "CD56 (-)".
_DIRECT = re.compile(
    rf"(?:\s?\(\s?(?:{_HOW})(?P<bracketed>positive|negative|[+-])\s?\)"
    rf"|{_ASIDE}{_CLONE}(?:\s(?:is|are|was|were|results?:?|interpreted\sas|considered|reported\sas|status|expression|stain(?:ing)?|in\ssitu\.?\shybridi[sz]ation|(?:by\s)?(?:IHC|[FCDS]{{0,2}}ISH|PCR)|protein|gene|score|immunostain|receptors?|antigen|ratio|\((?:FISH|IHC)\))|/CEP\W?17){{0,4}}[\s:.,)\-]{{0,4}}{_RATIO}{_HOW}{_RESULT}{_OTHERS})",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    rf"{_CLONE}"
    + r"(?:\s?\((?:clone\s)?(?=[^)\s]{0,9}\d)[\w/-]{2,10}(?:\s\w{1,12})?\))?(?:\s(?:by|IHC|immunohistochemistry|shows|found|seen|present|immunostain|positivity|an?|index|labell?ing|proliferati\w{2,4}|rate|positive|negative(?=[,\s]{0,2}(?:\(|<|less\s))|low|expression|staining|nuclear|strong|weak|moderate|is|in|of|approximately|about|up|to)|\([^)]{1,8}%\)(?=\.\s[<>]?\s?\d)|\.(?=\s(?:(?:low|high)\s)?positive\b|\s[<>]?\s?\d{1,3}\s?%\.)|[+:=,\s(]){0,7}\s?(?P<value>(?:[<>~]|less\sthan\s)?\s?\d{1,3}\s?(?:-\s?\d{1,3}\s?)?%)",
    re.IGNORECASE,
)
_SCORE = re.compile(
    r"(?:[^.;\d]{0,30}\bscore\s?(?:of|[:=])?\s?|(?:\sprotein|\sexpression)?(?:\sby)?(?:\s\(?(?:IHC|immunohistochemistry)\)?)?(?:[\s:]{1,2}(?:positive|negative|equivocal))?[\s:=(]{1,3}(?=\d\+))(?P<value>[0-3](?:\+|(?!\+)))(?!\d|[.,]\d|\s?%|\s?(?:[/-]|to)\s?[1-9])",
    re.IGNORECASE,
)
_VARIANT = re.compile(r"\s(?:p\.)?[A-Z]\d{2,4}[A-Z]\b")  # "EGFR L858R"
_MUTATED = re.compile(
    r"(?:\sgene)?(?:\s(?:exons?|codons?)\s\d{1,3}(?:/\d{1,3})?)?(?:\s(?:p\.)?[A-Z]\d{1,4}[A-Z])?(?:(?:\smutations?)?(?:\s(?:status|analysis))?\s?:?\s?(?:is|are|was|were)?\s?(?P<no>not\s|none\s|(?=absent|negative))?(?:detected|identified|found|present|positive|absent|negative)\b"
    r"|\s?:?\s?(?P<none>no)\s(?:\w{1,12}\s){0,2}mutations?\b(?:\s(?:(?:is|are|was|were)\s)?(?:detected|identified|found|seen|present))?)",
    re.IGNORECASE,
)
# Of microsatellites: "MSI-H", "microsatellite instability: high", "MSI: stable (MSS)".
_INSTABILITY = re.compile(
    r"(?:\s?\(MSI\))?(?:\s(?:status|testing|analysis|result|is|by\s(?:PCR|NGS|IHC)))?[\s:-]{1,3}(?:MSI-)?(?P<result>high|unstable|H(?![a-z&])|low|L(?![a-z])|stable|MSS(?![a-z]))",
    re.IGNORECASE,
)
# That it is high is denied.
_NOT_BEFORE_HIGH = re.compile(r"\b(?:no(?:\sevidence\sof)?|negative\sfor|without|absence\sof)\s$", re.IGNORECASE)
_NOT_HIGH = re.compile(
    r"\)?(?:\s?\([^)]{0,12}\))?\s?:?\s(?:(?:is|was)\s)?(?:not\s(?:detected|identified|seen|found|present)|absent|negative|no\b)",
    re.IGNORECASE,
)
_REPAIR = re.compile(r"microsatellite|\bMSI|mismatch|\bd?MMR\b|\bMLH|\bMSH|\bPMS")
# What HER2's score is taken for, and what came of the test that it asks for: "2+ (equivocal), FISH not amplified".
_TAKEN_FOR = re.compile(
    r"(?:\sby\s(?:IHC|immunohistochemistry))?[\s,:(-]{1,3}(?P<result>positive|negative|equivocal|indeterminate)(?:\)|(?=\s?[.,;]|\s?$|\s(?:by|on)\b|\n))",
    re.IGNORECASE,
)
_REFLEX = re.compile(
    r"[\s,;.()]{1,4}(?:(?:and|but|by|with|reflex|subsequent|confirmatory|gene)\s){0,3}(?:[FCDS]{0,2}ISH|in\ssitu\shybridi[sz]ation(?:\s\([FCDS]{0,2}ISH\))?)(?:\s(?:is|was|testing|test|analysis|study|result|gene|for\sHER\W?2)){0,3}[\s:=,(-]{1,3}(?P<result>not\samplified|non\W?amplified|unamplified|amplified|negative|positive|equivocal|indeterminate)",
    re.IGNORECASE,
)
_MUTATION = re.compile(r"\b(?P<no>no\s)?mutations?\s(?:(?:in|of|the|exons?|gene|[\d-]+|and)\s){0,6}$", re.IGNORECASE)
_WITHOUT = re.compile(r"\bno\s(?:\w{1,8}\s)?$", re.IGNORECASE)
_LACKS = re.compile(r"\b(?:no|lack\sof|absence\sof|without)\s(?:\w{1,12}\s){0,2}$", re.IGNORECASE)
_LACKED = re.compile(
    r"(?:\sreceptors?|\sgene|\sprotein)?\s(?:found|identified|detected|seen|express\w{2,3}|(?:immuno)?(?:staining|reactivity)|amplification|over-?expression|positivity)\b",
    re.IGNORECASE,
)
# Between two names of a list may stand others that the table has not.
_BETWEEN = rf"{_ASIDE}(?:[\s.]{{0,2}},[\s.]{{1,2}}(?:and\.?\s|or\.?\s)?|\.?\s(?:and|or|as\swell\sas)[\s.]{{1,2}}|\s?/\s?|\s?[+&]\s)(?:(?:focally|weakly|strongly|nuclear|cytoplasmic|monoclonal|polyclonal|both)\s){{0,2}}(?:for\s)?"
_UNKNOWN = r"(?!(?:and|or|but|not|for|with|the|in|of|is|are|was|were|no|they|it|while|show\w*|positive\w*|negative\w*|express\w*|stain\w*|weak\w*)\b)[A-Za-z][\w/-]{1,17}(?:\s[A-Z]?\d{1,2})?"
_NEXT = re.compile(rf"{_BETWEEN}(?:{_UNKNOWN}{_BETWEEN}){{0,2}}$")
# In front of a list.
_SUBJECT = r"(?:cells?|tumou?r|carcinoma|neoplasm|component|it|they|these|and)"
_FOR = re.compile(
    rf"\b(?:(?P<result>positiv\w{{1,3}}|negativ\w{{1,3}}|(?:non)?\W?(?:immuno)?reactiv\w{{1,5}}|{_SUBJECT}\s(?:(?:are|is|do|does|strongly|diffusely|focally|also)\s){{0,3}}(?P<no>not\s)?(?:stain(?:s|ed)?|stain\spositively))[\s.]{{1,2}}(?:positively\s|negatively\s)?(?:(?:immuno)?(?:staining|reactivity)\s)?(?:(?:is|was)\s(?:noted|seen|observed)\s)?(?:in\s(?:the\s)?(?:tumou?r|neoplastic|malignant)\scells[\s.]{{1,2}})?(?:for|with|to)"
    r"|(?P<express>(?:not\s)?express(?:es)?|(?:over-?)?expression\sof|but\snot|loss\sof|lack(?:s|ing)?(?:\sexpression)?(?:\sof)?))[\s.]{1,2}(?:(?:antibodies\sto|both|the|expression\sof|cytokeratins?:?)\s){0,2}(?P<unknown>(?:[a-z][\w-]{2,20},\s(?:and\s|or\s)?){1,3})?$"
    r"|(?:(?<=[.;:]\s)|^)(?P<item>positive|negative)\s?[-:]\s?$",
    re.IGNORECASE,
)
_NOT_EXPRESSED = re.compile(
    r"\b(?:no(?:\s\w{1,12})?|negative\sfor|without|absence\sof|absent)(?:\sover-?)?\s?$", re.IGNORECASE
)
# What is no marker where a list begins with another word than a marker's: "negative for carcinoma, CK7".
_NO_MARKER = re.compile(
    r"\b(?:\w*oma|malignan\w+|tumou?rs?|metasta\w+|neoplas\w+|dysplasia|invasion|mucin|necrosis|amyloid|organisms?|fung\w+|\w+cells?)\b",
    re.IGNORECASE,
)
_NO_SCORE = re.compile(
    r"(?:\s?\((?:IHC|immunohistochemistry)\)|\s(?:by\s)?(?:IHC|immunohistochemistry))?\s?[:=]\s?0(?!\d|[.,]\d|\s?[%/]|\s?-\s?\d)",
    re.IGNORECASE,
)
_DEFINED = re.compile(r"\bconsidered\s(?:(?:positive|negative)\sfor\s)?$", re.IGNORECASE)
# Behind a list: "CK7 and p63 are positive", "CK7 and p63 were performed, and both stains are positive".
_DONE = r"(?:[\s.]{1,2}(?:was|were)[\s.]{1,2}(?:performed|done|obtained)\b[^.;]{0,40}?\band)?"
_ALL = r"(?:[\s.]{1,2}(?:all|also|both|the|these|two|three|four|five|six|(?:immuno)?stains?))"
_ARE = re.compile(
    rf"{_ASIDE}(?:(?P<are>{_DONE}{_ALL}{{0,4}}[\s.]{{1,2}}(?:are|were|is){_ALL}{{0,2}}[\s.]{{1,2}}{_HOW})|(?:\s(?:status|receptors?|expression|staining|proteins?))?\s?:?\s(?:all\s|both\s)?{_HOW}(?!\w+\sfor\b)|\s?(?=\+(?:[\s,;.)]|$))|(?=-(?:[\s,;.)/]|$)))(?P<result>positive|negative|retained|intact|lost|no\sloss\b|loss\b(?!\s(?:is\s|was\s)?(?:not|absent))|expressed|not\sexpressed|[+-]){_OTHERS}",
    re.IGNORECASE,
)
# "No mutation was detected in KRAS and NRAS", "mutations in KRAS, NRAS and BRAF were not identified"
_MUTATIONS = re.compile(
    r"\b(?P<no>no[\s.]{1,2}(?:\w{1,12}[\s.]{1,2}){0,2})?(?:mutations?|mutational\sstatus|rearrangements?|alterations?)[\s.]{1,2}(?:(?:was|were|is|are|detected|identified|found|seen|in|of|for|the|genes?|codons?|exons?|any|either|[\d,-]{1,7}|and)[\s.]{1,2}){1,12}$",
    re.IGNORECASE,
)
_FOUND = re.compile(
    r"(?:[\s.]{1,2}(?:genes?|mutations?|rearrangements?|codons?|exons?|[\d/,-]{1,7}|and|or|at|in|the|was|were|is|are)){0,6}[\s.]{1,2}(?P<result>not\s(?:detected|identified|found|present|seen)|negative|absent|detected|identified|found|present|positive|indeterminate)\b",
    re.IGNORECASE,
)
_KERATINS = frozenset(("cytokeratin", "pancytokeratin", "AE1/AE3", "CAM 5.2", "OSCAR"))
_NODES = re.compile(r"\bnod(?:es?|al)\b|\bisolated\b", re.IGNORECASE)
_LEGEND = re.compile(r"(?:^|[.;]\s)For\s$")  # "For Ki-67: low <17%", what a result means
_CLAUSE = re.compile(r"[.;](?=\s[A-Z])")
_PERFORMED = re.compile(r"not\s(?:performed|done|available)|pending|lymph node", re.IGNORECASE)
_ONLY_PERFORMED = re.compile(r"[^.;]{0,60}?\b(?:performed|ordered|requested|pending)\b", re.IGNORECASE)
_IN_WORD = re.compile(r"[A-Za-z]")


def find_markers(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `marker` with `name`: "positive", "negative", "indeterminate", "20%", "1+"."""
    text, clinical = report.text, report.clinical
    for run in _runs(text):
        if clinical[run[0][1].start()]:
            continue
        for name, match in run:
            if (name in _KERATINS and _is_of_node(text, match)) or _LEGEND.search(
                text, match.start() - 6, match.start()
            ):
                continue
            yield from _alone(text, name, match)
        yield from (
            found
            for found in _listed(text, run)
            if found.extra["name"] not in _KERATINS or not _is_of_node(text, run[0][1])
        )


def _runs(text: str) -> Iterator[List[Tuple[str, Match[str]]]]:
    """YIELDS (List[Tuple[str, Match[str]]]): The names of one list, a single one too."""
    run: List[Tuple[str, Match[str]]] = []
    for name, match in VOCABULARY.find(text):
        if _IN_WORD.match(text, match.end()) and _IN_WORD.match(text, match.end() - 1):
            continue
        if run and not (
            match.start() - run[-1][1].end() < 60 and _NEXT.fullmatch(text, run[-1][1].end(), match.start())
        ):
            yield run
            run = []
        run.append((name, match))
    if run:
        yield run


def _is_of_node(text: str, match: Match[str]) -> bool:
    """Whether a stain for keratin is that of a lymph node, for isolated cells of the tumour."""
    low, high = max(0, match.start() - 120), match.end() + 80
    before, after = _CLAUSE.split(text[low : match.start()])[-1], _CLAUSE.split(text[match.end() : high])[0]
    return bool(_NODES.search(before) or _NODES.search(after))


def _alone(text: str, name: str, match: Match[str]) -> Iterator[Found]:
    """What stands behind a name."""
    start, end = match.span()
    if (direct := _DIRECT.match(text, end)) and not _PERFORMED.search(direct.group()):
        result = direct["bracketed"] or direct["result"]
        low = max(0, start - 12)
        if result.lower() == "loss" and (kept := _WITHOUT.search(text[low:start])):  # "no PTEN loss"
            yield _found(name, "positive", low + kept.start(), direct.end())
        else:
            yield _found(name, _value(result), start, direct.end())
    elif (lacks := _LACKS.search(text[max(0, start - 40) : start])) and (lacked := _LACKED.match(text, end)):
        yield _found(name, "negative", start - len(lacks.group()), lacked.end())
    if percent := _PERCENT.match(text, end):
        yield _found(
            name, re.sub(r"\s", "", re.sub(r"less\sthan", "<", percent["value"].lower())), start, percent.end()
        )
    score = _SCORE.match(text, end)
    if score and not any(VOCABULARY.find(text, end, score.start("value"))):  # else it is the next marker's
        value = score["value"] if score["value"].endswith("+") else f"score {score['value']}"
        yield _found(name, value, start, score.end())
        if name == "HER2":
            yield from _after_score(text, start, score.end())
    elif name == "HER2" and (none := _NO_SCORE.match(text, end)):
        yield _found(name, "score 0", start, none.end())
        yield from _after_score(text, start, none.end())
    if name == "MSI":
        yield from _stability(text, match)
    mutation = _MUTATION.search(text[max(0, start - 60) : start])
    without = _WITHOUT.search(text[max(0, start - 12) : start])
    known = mutation or "mutation" in text[end : end + 34] or _VARIANT.match(text, end)
    if known and (mutated := _MUTATED.match(text, end)):
        value = (
            "negative"
            if mutated["no"] is not None or mutated["none"] or without or (mutation and mutation["no"])
            else "positive"
        )
        yield _found(name, value, start, mutated.end())


def _after_score(text: str, start: int, end: int) -> Iterator[Found]:
    """What follows HER2's score: what it is taken for, and the result of in situ hybridisation."""
    for pattern in (_TAKEN_FOR, _REFLEX):
        if more := pattern.match(text, end):
            end = more.end()
            yield _found("HER2", _value(more["result"]), start, end)


def _stability(text: str, match: Match[str]) -> Iterator[Found]:
    """Of microsatellites: instability that is high is positive, none is negative."""
    start, end = match.span()
    word = match.group().lower()
    if word.endswith("stable"):
        yield _found("MSI", "positive" if word.endswith("unstable") else "negative", start, end)
    elif word == "mss":  # initials elsewhere
        if _REPAIR.search(text, max(0, start - 100), start) or _REPAIR.search(text, end, end + 60):
            yield _found("MSI", "negative", start, end)
    elif state := _INSTABILITY.match(text, end):
        result = state["result"].lower()
        if result[0] == "h" and (
            _NOT_HIGH.match(text, state.end()) or _NOT_BEFORE_HIGH.search(text, max(0, start - 40), start)
        ):
            return  # it may be low or stable
        value = "positive" if result[0] in "hu" else "low" if result[0] == "l" else "negative"
        yield _found("MSI", value, start, state.end())


def _listed(text: str, run: List[Tuple[str, Match[str]]]) -> Iterator[Found]:
    """What stands in front of a list of names, or behind it: "positive for CK7 and TTF-1", "CK7 and TTF-1 are positive"."""
    first, last = run[0][1].start(), run[-1][1].end()
    if mutated := _mutated(text, first, last):
        value, start, end = mutated
        for name, match in run:
            yield _found(name, value, min(start, match.start()), max(end, match.end()))
    elif front := _in_front(text, run):
        value, start = front
        for name, match in run:
            own = _DIRECT.match(text, match.end())
            if not own or _value(own["bracketed"] or own["result"]) == value:
                yield _found(name, value, start, match.end())
    elif (behind := _ARE.match(text, last)) and (behind["are"] or len(run) > 1):
        for name, match in run:
            yield _found(name, _value(behind["result"]), match.start(), behind.end())


def _mutated(text: str, first: int, last: int) -> Optional[Tuple[str, int, int]]:
    """What is said of the mutations of a list of genes, with its place."""
    low = max(0, first - 90)
    front = _MUTATIONS.search(text[low:first])
    if not front:
        return None
    if front["no"]:
        return "negative", low + front.start(), last
    behind = _FOUND.match(text, last)
    return (_value(behind["result"]), first, behind.end()) if behind else None


def _in_front(text: str, run: List[Tuple[str, Match[str]]]) -> Optional[Tuple[str, int]]:
    """The result that stands in front of a list, with its start."""
    first, last = run[0][1].start(), run[-1][1].end()
    low = max(0, first - 90)
    front = _FOR.search(text[low:first])
    if not front or _DEFINED.search(text, low, low + front.start()):
        return None
    unknown = front["unknown"]
    if unknown and (len(run) == 1 or _NO_MARKER.search(unknown) or _ARE.match(text, last) or _DIRECT.match(text, last)):
        return None
    named = front["express"] or front["item"]
    if not named and _ONLY_PERFORMED.match(text, last) and "stain" in front.group():
        return None
    result = (front["result"] or named).lower()
    negative = front["no"] or result.startswith(("not", "but not", "loss", "lack", "non"))
    if front["express"] and _NOT_EXPRESSED.search(text, low, low + front.start()):
        negative = True
    return "negative" if negative else _value(result), low + front.start()


def _value(result: str) -> str:
    result = result.lower()
    if result == "no loss":
        return "positive"
    if (
        result == "-"
        or result.endswith("absent")
        or result.startswith(("neg", "los", "not ", "no ", "unamp", "non", "wild"))
    ):
        return "negative"
    return "indeterminate" if result in ("indeterminate", "equivocal") else "positive"


def _found(name: str, value: str, start: int, end: int) -> Found:
    return Found("marker", value, start, end, (("name", name),))
