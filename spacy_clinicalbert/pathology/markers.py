"""Receptors and other markers, with their results."""

import re
from typing import Dict, Iterator, List, Match, Tuple

from .found import Found, Report
from .terms import Vocabulary

# Canonical names, and how they are written.
NAMES: Dict[str, str] = {
    "ER": r"estrogen\W?receptors?(?:\s\(ER\))?|oestrogen\W?receptors?|ER(?![a-z])",
    "PR": r"progesterone\W?receptors?(?:\s\(PR\))?|PR(?![a-z])|PgR",
    "HER2": r"HER\W?2(?:[\s/-]{1,3}neu)?|c-?erbB-?2",
    "Ki-67": r"Ki\W?67|MIB\W?1",
    "MSI": r"microsatellite\W(?:instability|status|stable|unstable)|MSI(?![a-z])|MSS(?![a-z])",
    "MLH1": r"h?MLH\W?1", "MSH2": r"h?MSH\W?2", "MSH6": r"h?MSH\W?6", "PMS2": r"h?PMS\W?2",
    "PD-L1": r"PD\W?L1", "p16": r"p16(?:INK4a)?", "p53": r"p53", "p63": r"p63", "p40": r"p40", "EGFR": r"EGFR", "KRAS": r"K\W?RAS", "BRAF": r"BRAF(?:\sV600E)?",
    "HPV": r"HPV(?:\W?16)?", "ALK": r"ALK(?![a-z])", "TTF1": r"TTF\W?1", "WT1": r"WT\W?1", "S100": r"S\W?100", "HMB-45": r"HMB\W?45", "Melan-A": r"melan\W?A|MART\W?1",
    "vimentin": r"vimentin", "HMWCK": r"HMW\W?(?:cyto)?keratins?|HMWCK", "pancytokeratin": r"pan\W?(?:cyto)?keratin(?!s?\s?\(?AE\W?1)", "AE1/AE3": r"(?:pan\W?)?(?:cyto)?keratin\s?\(?AE1\W{1,3}(?:AE)?3\)?|AE\W?1\W{1,3}(?:AE)?3",
    "CK5/6": r"CK\W?5/6", "CK7": r"CK\W?7|cytokeratin\W?7", "CK19": r"CK\W?19|cytokeratin\W?19", "CK20": r"CK\W?20|cytokeratin\W?20",
    "chromogranin": r"chromogranin(?:\sA)?", "synaptophysin": r"synaptophysin", "CD56": r"CD\W?56", "CD10": r"CD10", "CD117": r"CD117|c-?kit", "CD34": r"CD34", "CD30": r"CD30", "CD99": r"CD99",
    "PLAP": r"PLAP", "AFP": r"alpha\W?feto\W?protein|AFP", "OCT3/4": r"OCT\W?(?:3/)?4", "HBME-1": r"HBME\W?1", "Galectin-3": r"galectin\W?3", "calretinin": r"calretinin", "D2-40": r"D2\W?40",
    "AMACR": r"AMACR|racemase|P504S", "PAX8": r"PAX\W?8", "GATA3": r"GATA\W?3", "CDX2": r"CDX\W?2", "desmin": r"desmin", "SMA": r"smooth\smuscle\sactin|SMA(?![a-z])", "inhibin": r"(?:alpha\W?)?inhibin", "EMA": r"EMA(?![a-z])", "CEA": r"CEA(?![a-z])", "PSA": r"PSA", "beta-catenin": r"beta\W?catenin", "E-cadherin": r"e\W?cadherin",
    "CAM 5.2": r"CAM\W?5\W?2", "EBV": r"EBV|EBER|epstein\W?barr virus", "napsin A": r"napsin(?:\WA)?(?![a-z])", "CA9": r"CA\W?(?:IX|9)(?![\d-])|carbonic\sanhydrase\s(?:IX|9)", "mesothelin": r"mesothelin", "B72.3": r"B72\.3", "Ber-EP4": r"Ber\W?EP\W?4", "MOC-31": r"MOC\W?31",
    "CD3": r"CD\W?3(?!\d)", "CD5": r"CD\W?5(?!\d)", "CD15": r"CD\W?15", "CD20": r"CD\W?20", "CD31": r"CD\W?31", "CD44": r"CD\W?44", "CD45": r"CD\W?45|LCA(?![a-z])|leu[ck]ocyte common antigen", "CD68": r"CD\W?68", "CD138": r"CD\W?138", "HepPar-1": r"hep\W?par\W?1?|hepatocyte(?=\s?[(:])|hepatocyte(?:\sspecific)?\santigen", "glypican-3": r"glypican\W?3", "arginase-1": r"arginase(?:\W?1)?", "villin": r"villin",
    "HSP27": r"HSP\W?27", "CK14": r"CK\W?14", "CK17": r"CK\W?17", "MUC6": r"MUC\W?6", "SMAD4": r"SMAD\W?4|DPC\W?4", "INI1": r"INI\W?1", "MDM2": r"MDM2", "CDK4": r"CDK4", "thrombomodulin": r"thrombomodulin", "glucagon": r"glucagon", "insulin": r"insulin(?![a-z-])", "gastrin": r"gastrin(?![a-z])", "somatostatin": r"somatostatin", "CD43": r"CD\W?43", "CD4": r"CD\W?4(?!\d)", "CD8": r"CD\W?8(?!\d)", "CD21": r"CD\W?21(?!\d)", "CD23": r"CD\W?23(?!\d)", "CD57": r"CD\W?57", "CD79a": r"CD\W?79a?", "SF-1": r"SF\W1(?!\d)", "LIN28": r"LIN\W?28", "annexin A10": r"annexin\sA10",
    "CK5": r"CK\W?5(?![\d/])", "CK8/18": r"CK\W?8/18", "CK18": r"CK\W?18", "34betaE12": r"34\W?(?:beta|b|ß)\W?E\W?12", "PSAP": r"PSAP|PAP(?![a-z])", "thyroglobulin": r"thyroglobulin", "calcitonin": r"calcitonin", "TFE3": r"TFE\W?3", "SOX10": r"SOX\W?10", "MITF": r"MITF", "tyrosinase": r"tyrosinase", "ROS1": r"ROS\W?1", "NRAS": r"N\W?RAS", "PIK3CA": r"PIK3CA", "IDH1": r"IDH\W?1", "GFAP": r"GFAP", "PAX2": r"PAX\W?2", "SALL4": r"SALL\W?4", "cyclin D1": r"cyclin\WD1", "bcl-2": r"bcl\W?2", "MUC1": r"MUC\W?1", "MUC2": r"MUC\W?2", "MUC5AC": r"MUC\W?5AC", "CA19-9": r"CA\W?19\W9", "CA125": r"CA\W?125", "NSE": r"NSE(?![a-z])|neuron\W?specific\senolase", "GCDFP-15": r"GCDFP(?:\W?15)?", "mammaglobin": r"mammaglobin", "hCG": r"(?:beta\W?)?hCG(?![a-z])", "DOG1": r"DOG\W?1", "BAP1": r"BAP\W?1", "cytokeratin": r"(?:cyto)?keratins?(?!\W?\d|\sAE|i|\spearl)", "NKX3.1": r"NKX3\.1", "ERG": r"ERG(?![a-z])", "uroplakin": r"uroplakin(?:\sI+)?", "caldesmon": r"caldesmon", "myogenin": r"myogenin", "p27": r"p27", "PTEN": r"PTEN", "MGMT": r"MGMT",
}  # fmt: skip
_VOCABULARY = Vocabulary(NAMES, behind="")
_RESULT = r"(?P<result>positiv\w{1,3}|negativ\w{1,3}|not\s(?:expressed|amplified|overexpressed|detected)|indeterminate|equivocal|retained|intact|lost|no\sloss\b|loss\b(?!\s(?:is\s|was\s)?(?:not|absent))|detected\b|overexpressed|amplified|unamplified|non\W?amplified|wild\W?type|[+](?![\w])|(?<=[\w)])-(?=[\s,;.)/]|$))"
_OTHERS = r"(?!\s(?:stain\w{0,3}\s)?for\b)(?! (?:surgical\s|resection\s|sentinel\s)?(?:margins?|(?:lymph\s)?nodes?|controls?)\b)"  # whose result it is instead
_ASIDE = r"(?:\s?\((?:[^)]{0,25})\))?"
_HOW = r"(?:very\s)?(?:(?:diffusely|strongly|weakly|focally|patchy|focal|strong|weak|moderate|diffuse|cytoplasmic|nuclear|membranous)\s(?:and\s)?){0,3}"
_RATIO = r"(?:\d{1,2}\.\d{1,2}[,;\s(]{1,3}(?=(?:not\s|non\W?|un)?amplified))?"  # of in situ hybridisation
# Behind a name. A result in brackets stands first: "CD56 (-)".
_DIRECT = re.compile(
    rf"(?:\s?\(\s?(?:{_HOW})(?P<bracketed>positive|negative|[+-])\s?\)"
    rf"|{_ASIDE}(?:\s(?:is|are|status|expression|stain(?:ing)?|in\ssitu\.?\shybridi[sz]ation|(?:by\s)?(?:IHC|[FCDS]{{0,2}}ISH|PCR)|protein|gene|score|immunostain|receptors?|antigen|ratio|\((?:FISH|IHC)\))|/CEP\W?17){{0,4}}[\s:.,)\-]{{0,4}}{_RATIO}{_HOW}{_RESULT}{_OTHERS})",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    r"(?:\s?\((?:clone\s)?(?=[^)\s]{0,9}\d)[\w/-]{2,10}(?:\s\w{1,12})?\))?(?:\s(?:by|IHC|immunohistochemistry|shows|found|seen|present|immunostain|positivity|an?|index|labell?ing|proliferati\w{2,4}|rate|positive|negative(?=[,\s]{0,2}(?:\(|<|less\s))|low|expression|staining|nuclear|strong|weak|moderate|is|in|of|approximately|about|up|to)|[+:=,\s(]){0,7}\s?(?P<value>(?:[<>~]|less\sthan\s)?\s?\d{1,3}\s?(?:-\s?\d{1,3}\s?)?%)",
    re.IGNORECASE,
)
_SCORE = re.compile(
    r"(?:[^.;\d]{0,30}\bscore\s?(?:of|[:=])?\s?|(?:\sprotein|\sexpression)?(?:\sby)?(?:\s\(?(?:IHC|immunohistochemistry)\)?)?(?:[\s:]{1,2}(?:positive|negative|equivocal))?[\s:=(]{1,3}(?=\d\+))(?P<value>[0-3]\+?)",
    re.IGNORECASE,
)
_VARIANT = re.compile(r"\s(?:p\.)?[A-Z]\d{2,4}[A-Z]\b")  # "EGFR L858R"
_MUTATED = re.compile(
    r"(?:\sgene)?(?:\sexons?\s\d{1,2})?(?:\s(?:p\.)?[A-Z]\d{1,4}[A-Z])?(?:(?:\smutations?)?(?:\s(?:status|analysis))?\s?:?\s?(?:is|are|was|were)?\s?(?P<no>not\s|none\s|(?=absent|negative))?(?:detected|identified|found|present|positive|absent|negative)\b"
    r"|\s?:?\s?(?P<none>no)\s(?:\w{1,12}\s){0,2}mutations?\b(?:\s(?:(?:is|are|was|were)\s)?(?:detected|identified|found|seen|present))?)",
    re.IGNORECASE,
)
# Of microsatellites: "MSI-H", "microsatellite instability: high", "MSI: stable (MSS)".
_INSTABILITY = re.compile(
    r"(?:\s?\(MSI\))?(?:\s(?:status|testing|analysis|result|is|by\s(?:PCR|NGS|IHC)))?[\s:-]{1,3}(?:MSI-)?(?P<result>high|unstable|H(?![a-z&])|low|L(?![a-z])|stable|MSS(?![a-z]))",
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
# Between two names of a list.
_NEXT = re.compile(
    rf"{_ASIDE}(?:\.?\s?,\s?(?:and\.?\s|or\.?\s)?|\.?\s(?:and|or)[\s.]{{1,2}}|\s?/\s?|\s?[+&]\s)(?:(?:focally|weakly|strongly|nuclear|cytoplasmic)\s)?(?:for\s)?$"
)
# In front of a list.
_FOR = re.compile(
    r"\b(?:(?P<result>positiv\w{1,3}|negativ\w{1,3}|(?:non)?\W?immunoreactiv\w{1,3}|(?:cells?|tumou?r|carcinoma|neoplasm|component|it|and)\s(?:(?:are|is|do|does|strongly|diffusely|focally|also)\s){0,3}(?P<no>not\s)?(?:stain(?:s|ed)?|stain\spositively))[\s.]{1,2}(?:positively\s|negatively\s)?(?:(?:immuno)?(?:staining|reactivity)\s)?(?:(?:is|was)\s(?:noted|seen|observed)\s)?(?:for|with)"
    r"|(?P<express>(?:not\s)?express(?:es)?|expression\sof|but\snot|loss\sof))[\s.]{1,2}(?:(?:antibodies\sto|both|the|expression\sof|cytokeratins?:?)\s){0,2}(?P<unknown>(?:[a-z][\w-]{2,20},\s(?:and\s|or\s)?){1,3})?$"
    r"|(?:(?<=[.;:]\s)|^)(?P<item>positive|negative)\s?[-:]\s?$",
    re.IGNORECASE,
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
# Behind a list.
_ARE = re.compile(
    rf"{_ASIDE}(?:(?P<are>[\s.]{{1,2}}(?:immuno)?(?:stains?\s)?(?:are|were|is)(?:\s(?:all|also|both))?[\s.]{{1,2}}{_HOW})|(?:\s(?:status|receptors?|expression|staining|proteins?))?\s?:?\s(?:all\s|both\s)?{_HOW}(?!\w+\sfor\b)|\s?(?=\+(?:[\s,;.)]|$))|(?=-(?:[\s,;.)/]|$)))(?P<result>positive|negative|retained|intact|lost|no\sloss\b|loss\b(?!\s(?:is\s|was\s)?(?:not|absent))|expressed|not\sexpressed|[+-]){_OTHERS}",
    re.IGNORECASE,
)
_PERFORMED = re.compile(r"not\s(?:performed|done|available)|pending|lymph node", re.IGNORECASE)
_ONLY_PERFORMED = re.compile(r"[^.;]{0,60}?\b(?:performed|ordered|requested|pending)\b", re.IGNORECASE)
_IN_WORD = re.compile(r"[A-Za-z]")


def find_markers(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `marker` with `name`: "positive", "negative", "indeterminate", "20%", "1+"."""
    text = report.text
    run: List[Tuple[str, Match[str]]] = []  # names of one list
    for name, match in _VOCABULARY.find(text):
        if _IN_WORD.match(text, match.end()) and _IN_WORD.match(text, match.end() - 1):
            continue
        if run and not (
            match.start() - run[-1][1].end() < 40 and _NEXT.fullmatch(text, run[-1][1].end(), match.start())
        ):
            yield from _listed(text, run)
            run = []
        run.append((name, match))
        yield from _alone(text, name, match)
    if run:
        yield from _listed(text, run)


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
    if percent := _PERCENT.match(text, end):
        yield _found(
            name, re.sub(r"\s", "", re.sub(r"less\sthan", "<", percent["value"].lower())), start, percent.end()
        )
    if score := _SCORE.match(text, end):
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
        value = "positive" if result[0] in "hu" else "low" if result[0] == "l" else "negative"
        yield _found("MSI", value, start, state.end())


def _listed(text: str, run: List[Tuple[str, Match[str]]]) -> Iterator[Found]:
    """What stands in front of a list of names, or behind it: "positive for CK7 and TTF-1", "CK7 and TTF-1 are positive"."""
    first, last = run[0][1].start(), run[-1][1].end()
    low = max(0, first - 90)
    before = _FOR.search(text[low:first])
    if (
        before
        and before["unknown"]
        and (
            len(run) == 1 or _NO_MARKER.search(before["unknown"]) or _ARE.match(text, last) or _DIRECT.match(text, last)
        )
    ):
        before = None
    if before and not (
        before["express"] is None
        and before["item"] is None
        and _ONLY_PERFORMED.match(text, last)
        and "stain" in before.group()
    ):
        result = before["result"] or before["item"] or before["express"]
        value = (
            "negative"
            if before["no"] or result.lower().startswith(("not", "but not", "loss", "non"))
            else _value(result)
        )
        for name, match in run:
            yield _found(name, value, low + before.start(), match.end())
    elif (behind := _ARE.match(text, last)) and (behind["are"] or len(run) > 1):
        for name, match in run:
            yield _found(name, _value(behind["result"]), match.start(), behind.end())


def _value(result: str) -> str:
    result = result.lower()
    if result.startswith(("neg", "los", "not ", "unamp", "non", "wild")) or result == "-":
        return "negative"
    return "indeterminate" if result in ("indeterminate", "equivocal") else "positive"


def _found(name: str, value: str, start: int, end: int) -> Found:
    return Found("marker", value, start, end, (("name", name),))
