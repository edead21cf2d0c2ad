"""T, N and M, the edition that they follow, and the stage group."""

import re
from typing import Iterator, Match, Optional, Tuple

from .found import Found, Report, stretches

# "a" of an autopsy is glued to its letter; apart, it is an article.
_PREFIX = r"(?P<prefix>(?:[yram]{0,2}[pc]|[yr]{1,2}|a(?=[NM])))?"
_PREFIXED = re.compile(r"(?<![A-Za-z0-9])(?:(?:[yram]{0,2}[pc]|[yr]{1,2}|P)\s?|a)$")
# "Tlb", "pTia", "NO": scanned 1s and 0s.
_T = re.compile(
    r"T(?:\s?(?=[^a])|(?=a))(?P<value>is|a|[0-4xX](?:[a-e][12]?|mic?)?|[lIi][a-e]?)(?P<m>\s?\(m\))?(?![a-zA-LO-Z0-9])"
)
# A category of nodes, and how they were found: "N1mi(sn)", "N0 (i+)".
_NODAL = (
    r"(?P<value>[0-3xXOo](?:mic?|\s?\(mic?\)|[a-c])?)(?P<how>(?:\s?\((?:i|mol|sn|f)\s?[+-]?\)){0,3})(?![a-zA-LN-Z0-9])"
)
_HOW = re.compile(r"\(([^)]+)\)")
_N = re.compile(rf"(?:[\s.,;:/&-]{{0,3}}|\s?\([^)]{{0,12}}\)\s?){_PREFIX}\s?N\s?{_NODAL}")
_M = re.compile(rf"[\s.,;:/&-]{{0,3}}(?:\([^)]{{0,12}}\)\s?)?{_PREFIX}\s?M\s?(?P<value>[01xXOo][a-c]?)(?![a-zA-Z0-9])")
_ALONE = re.compile(rf"(?P<letter>[NM])\s?{_NODAL}")
_ITEM = re.compile(
    r"(?:(?P<N>\(pN\)|N stage|(?i:lymph node stage)|regional lymph nodes?)|(?P<M>\(pM\)|M stage|distant metastas[ie]s))(?:\s?\([^)]{0,25}\))?[^.;A-Z]{0,25}?[\s:.]{1,3}(?P<letter>[NM])(?P<value>[0-3xXO](?:mi|[a-c])?)\b"
)
# "Primary tumor (pT): 2a", with the value alone behind the item's name.
_FIGURE = re.compile(
    r"\(p(?P<letter>[TNM])\)\s?:?\s?p?(?P<value>[0-4](?:mi|[a-d])?|[xX])(?!\w|\.\d|\s?(?:cm|mm)\b|\s[a-z]|/)"
)
# Words that say which categories an item of a form is for, and no category: "Tumor thickness (pT1 and pT2 tumors)".
_CLASSES = re.compile(r"\s?(?:and|or|to|-|/)\s?p?T[0-4]\b|\s(?:tumou?rs|only|lesions|disease)\b")
_CLASSES_BEFORE = re.compile(r"T[0-4][a-d]?\s?(?:and|or|to|-|/)\s?p?$")
_NO_GROUP = re.compile(r"fibrosis|trichrome|cirrhosis|kidney disease|METAVIR|scheuer", re.IGNORECASE)
# What else has stages, in the same clause and without a T in between.
_OTHER_STAGE = re.compile(
    r"(?:hepatitis|cholangitis|endometriosis|sarcoidosis|\bCKD|\bNYHA|decubitus|pressure\s(?:ulcer|injury))\b(?:(?!\bp?T\d|TNM|AJCC)[^.;]){0,40}$",
    re.IGNORECASE,
)
# "At this stage I would wait": a pronoun.
_PRONOUN = re.compile(
    r"(?:\s(?:also|personally|do|did|have|had|am|can|cannot|could|may|might|must|shall|should|will|would|agree|believe|favou?r|feel|find|prefer|recommend|see|suggest|suspect|think|understand|wish)\b|['’](?:d|m|ve|ll)\b)"
)
_ALONE_BEFORE = re.compile(r"^$|[^A-Za-z0-9]")
_ITEM_WORDS = ("(pn)", "n stage", "lymph node stage", "regional lymph", "(pm)", "m stage", "distant metast")
_EDITION_WORDS = ("ajcc", "uicc", "tnm", "edition", "ed.", "stag")
_CONTEXT = re.compile(
    r"(?:\(pT\)|primary tumou?r|\bstag|TNM|pathologic|AJCC|depth of invasion)[^;]{0,40}$", re.IGNORECASE
)
_EDITION = re.compile(
    r"\b(?:AJCC|UICC|TNM)[^;]{0,40}?\b(?P<a>[4-8])(?:th)?[.\s]{0,2}(?:ed\b|edition)|\b(?P<b>[4-8])th[.\s]{0,2}(?:ed\b|edition)[^.;]{0,25}(?:AJCC|UICC|TNM)|(?:\bTNM |\bstag\w{1,4}\s?\(?)(?P<c>[4-8])(?:th)?(?=\W{1,2}p?T)",
    re.IGNORECASE,
)
_GROUP = re.compile(
    r"\b(?P<figo>FIGO[\s-](?:\(?\d{4}\)?[\s-])?)?(?:AJCC |pathologic(?:al)? |clinical )?stag(?:e|ing)(?:\s?group(?:ing)?)?(?P<late>\s?[(]?FIGO[)]?)?\s?(?:\(\d{4}\)\s?)?[:=]?\s?(?P<value>(?:(?-i:I)|IV|III|II)(?:[ABC]\d?)?)(?![\w/]|\s?of\s)(?P<behind>\s?[,(]\s?FIGO\b)?",
    re.IGNORECASE,
)
# FIGO has grades too. Without the word "stage", a letter, a colon or being the fourth tell the stage; of others (`bare`), that no grade and no type stands around.
_FIGO = re.compile(
    r"\bFIGO\s?(?:\(?\d{4}\)?\s?)?(?:[:=]\s?(?P<item>(?:IV|III|II|I)(?:[ABC]\d?)?)|(?P<value>(?:III|II|I)[ABC]\d?|IV[ABC]?)|(?P<bare>III|II|I))(?![\w/]|\s?of\s)"
)
_FIGO_GRADE = re.compile(r"\b(?:grad\w{1,4}|differentiat\w{1,4})\b(?:[^.;:]{0,20}|\s?:\s?)$", re.IGNORECASE)
_FIGO_TYPE = re.compile(
    r"\b(?:grad\w{1,4}|differentiat\w{1,4}|endometrioid|\w{2,12}oma)\b(?:[^.;:]{0,45}|\s?:\s?)$", re.IGNORECASE
)
_FIGO_BEHIND = re.compile(
    r"\s?[,(]?\s?(?:(?:histologic|nuclear|architectural)\s)?grad|\s?(?:-|to|or|and)\s?I|\s?[,(]?\s?[A-Z]?[a-z]*\s?differentiated",
    re.IGNORECASE,
)


def find_stage(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `pT`, `pN`, `pM` with `prefix` and `suffix`, `edition`, `stage_group`."""
    text, clinical = report.text, report.clinical
    seen = set()
    for match in _T.finditer(text):
        prefixed = _PREFIXED.search(text[max(0, match.start() - 6) : match.start()])
        if clinical[match.start()] or not (
            prefixed or _ALONE_BEFORE.search(text[max(0, match.start() - 1) : match.start()])
        ):
            continue
        after = _N.match(text, match.end())
        before = text[max(0, match.start() - 60) : match.start()]
        if not (prefixed or after or (match["value"] != "a" and _CONTEXT.search(before))):
            continue  # a T2-weighted image, a vertebra, a block
        if _CLASSES.match(text, match.end()) or _CLASSES_BEFORE.search(before):
            continue
        prefix = (
            prefixed.group().strip().lower()
            if prefixed
            else ("p" if re.search("patholog", before, re.IGNORECASE) else None)
        )
        yield _found("pT", match, prefix, match.start() - (len(prefixed.group()) if prefixed else 0))
        metastasis = _M.match(text, after.end() if after else match.end())
        for field, each in (("pN", after), ("pM", metastasis)):
            if each:
                seen.add(each.start("value"))
                yield _found(field, each, each["prefix"] or prefix)
    for match in _ALONE.finditer(text):
        prefixed = _PREFIXED.search(text[max(0, match.start() - 4) : match.start()])
        if prefixed and match.start("value") not in seen and not clinical[match.start()]:
            seen.add(match.start("value"))
            yield _found("p" + match["letter"], match, prefixed.group(), match.start() - len(prefixed.group()))
    for match in (
        each for low, high in stretches(text, _ITEM_WORDS, 2, 80) for each in _ITEM.finditer(text, low, high)
    ):
        if match.start("value") not in seen and match[match["letter"]]:
            yield _found("p" + match["letter"], match, "p")
    for match in _FIGURE.finditer(text):
        yield _found("p" + match["letter"], match, "p", match.start())
    for low, high in stretches(text, _EDITION_WORDS, 60, 80):
        for match in _EDITION.finditer(text, low, high):
            yield Found("edition", int(match["a"] or match["b"] or match["c"]), *match.span())
    for low, high in stretches(text, ("stage", "figo"), 25, 50):
        for match in _GROUP.finditer(text, low, high):
            if not (
                clinical[match.start()]
                or _NO_GROUP.search(text, max(0, match.start() - 60), match.end() + 15)
                or _OTHER_STAGE.search(text, max(0, match.start() - 60), match.start())
                or (match["value"] == "I" and _PRONOUN.match(text, match.end()))
            ):
                system = (("system", "FIGO"),) if match["figo"] or match["late"] or match["behind"] else ()
                yield Found("stage_group", match["value"].upper(), *match.span(), system)
        for match in _FIGO.finditer(text, low, high):
            before = text[max(0, match.start() - 60) : match.start()]
            if match["bare"] and (_FIGO_TYPE.search(before) or _FIGO_BEHIND.match(text, match.end())):
                continue
            if not (clinical[match.start()] or _FIGO_GRADE.search(before)):
                value = match["item"] or match["value"] or match["bare"]
                yield Found("stage_group", value, *match.span(), (("system", "FIGO"),))


def _found(field: str, match: Match[str], prefix: Optional[str], start: Optional[int] = None) -> Found:
    value = re.sub(r"[\s()]|(?<=mi)c", "", match["value"])
    if value != "is":
        head = {"l": "1", "I": "1", "i": "1", "O": "0", "o": "0", "x": "X"}.get(value[0], value[0])
        value = head + value[1:].lower()
    prefix = (prefix or "").strip().lower()
    attributes: Tuple[Tuple[str, str], ...] = (("prefix", prefix),) if prefix else ()
    how = match.groupdict().get("how") or ""
    suffix = "m" if match.groupdict().get("m") else ", ".join(re.sub(r"\s", "", each) for each in _HOW.findall(how))
    if suffix:
        attributes += (("suffix", suffix),)
    if start is None:
        prefixed = match.groupdict().get("prefix")
        start = match.start("prefix") if prefixed else match.string.rindex(field[1], 0, match.start("value"))
    end = match.end("how" if how else "value")
    # A category of the clinicians is another one than the pathologist's, also where they agree.
    return Found(field, field[1] + value, start, end, attributes, "c" if "c" in prefix else None)
