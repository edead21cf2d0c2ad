"""Sites and sides."""

import re
from typing import FrozenSet, Iterator, Match

from .found import INSIDE, STATIONS, Found, Report, has, stretches
from .terms import load_terms

# An organ is a site where the report names a specimen, an operation or a tumour, not wherever it occurs.
_SPECIMEN = (
    r"specimens?(?:\s?\(s\))?(?:\s(?:received|type|source|submitted))?\s?[:.]|labell?ed|part\s[A-Z]|nature of specimens?|(?:^|[.:;]\s)(?:[A-Z]{1,2}\d?|\d{1,2})\s?[.:)]|"
    r"(?:biopsy|resection|excision|enucleation|ectomy|amputation) of|(?<!with )(?<!with a )(?<!attached )portion of"
)
_NAMED = re.compile(rf"(?:{_SPECIMEN})[^.;]{{0,45}}$", re.IGNORECASE)
_CUE = re.compile(
    r"(?:(?<!pathological )diagnosis\s?[:.]|tumou?r\s(?:site|location)\s?:|\bsite\b[^:.]{0,30}[:]?|procedures?\s?:)[^.;]{0,45}$",
    re.IGNORECASE,
)
_CUE_WORDS = ("diagnosis", "tumo", "site", "procedure")
_LABEL = re.compile(r"labell?ed|designated", re.IGNORECASE)
_CONSISTS = re.compile(rf"\bconsist(?:s|ing)\sof\b(?P<list>{INSIDE}{{0,220}}(?:\.\s)?)$", re.IGNORECASE)
# "Tissue description: left gastric node (1 x 1 cm), biopsy of the diaphragm"
_DESCRIBED = re.compile(rf"\btissue description\s?:{INSIDE}{{0,200}}$", re.IGNORECASE)
# In quotation marks stands what the container says.
_QUOTED = re.compile(r"[\x22'“‘][^\x22'.;:]{0,40}$")
_UNQUOTED = re.compile(r"[^\x22'.;:]{0,12}[.,]?[\x22'”’]")
# "carcinoma of the tongue"
_BEARS = re.compile(
    r"(?:carcinoma|melanoma|sarcoma|lymphoma|mesothelioma)\s(?:of|in)\s(?:the\s)?(?:(?:left|right|upper|lower|middle|distal|proximal)\s){0,2}$",
    re.IGNORECASE,
)
_SPREAD = re.compile(r"metasta|\bno\b|negative|invol|inva|exten", re.IGNORECASE)
_BESIDE = re.compile(r"(?:attached|absent|adherent|surrounding|overlying)[^,;)]{0,30}$", re.IGNORECASE)
_OPERATION = re.compile(
    r"[^.;:]{0,45}?(?:\w{3,20}ectomy|\bbiops|\bexcision|\bresection(?!\s(?:margin|line|plane|border))|\bdissection|enucleation|checklist)",
    re.IGNORECASE,
)
_OPERATION_WORDS = ("ectomy", "biops", "excision", "resection", "dissection", "enucleation", "checklist")
_HEAD = re.compile(r"[^.;:\d]{0,20}(?:\([A-Z]{1,3}\))?\s?:", re.IGNORECASE)
_LINE = re.compile(r"(?:^|[.;:]\s|-\s)(?:(?:left|right|bilateral|both|the|portion|segment|of)\s){0,3}$", re.IGNORECASE)
_STATED_FREE = re.compile(r"s?,\s(?:free|negative|no\s|uninvolved|benign|without)", re.IGNORECASE)
_CONTAINS = re.compile(rf"{INSIDE}{{0,60}}:", re.IGNORECASE)
_RELATION = re.compile(
    r"(?:invad|invasion|involv|exten[ds]|adjacent|attached|into|away from|limited to|confined to|\bin (?:the )?)\S{0,4}(?:\s\w{1,8})?\s?$",
    re.IGNORECASE,
)
# The item of a form, and no specimen: "ADRENAL GLAND: Not present", "Regional lymph nodes (pN):", "Lymph nodes examined: 12".
_ITEM = re.compile(
    r"\s?(?:\([^)]{0,12}\)\s?)?:\s?(?:not\s|none|absent|n/?a\b|uninvolved|involved|present|yes|no\b|negative|positive|unremarkable|\d)",
    re.IGNORECASE,
)
# Nothing of the organ was received, wherever that stands.
_ABSENT = re.compile(
    r"(?:\(s\))?\sother\s?:|(?:s|\(s\))?\s?(?:\([^)]{0,40}\)\s?)?:\s?(?:not\s(?:present|identified|received|submitted|applicable|sampled)|none\b|absent|n/?a\b|uninvolved|unremarkable|involved)",
    re.IGNORECASE,
)
_NODE_ITEM = re.compile(
    r"(?!:\s?metasta)(?:s|\(s\))?\W{0,2}\s?(?:\(pN\)|pN|positive|examin|identified|involved|status|submitted|sampled|retrieved|metast|with\s|summary|stage|:\s?$)",
    re.IGNORECASE,
)
# "LYMPH NODES (D):", "lymph node, levels II and III:", "lymph nodes (2)"
_NODE_HEAD = re.compile(r"(?:,\s[^.;:]{0,40})?\s?(?:\([A-Z0-9]{1,3}\)\s?)?:|\s\(\d{1,2}\)", re.IGNORECASE)
_LABELLED_HEAD = re.compile(r"\s?\([A-Z0-9]{1,3}\)\s?:")
_COUNTED = re.compile(
    r"(?<!level )(?<!station )\b(?:one|two|three|four|five|six|seven|eight|nine|ten)\s(?:\(\d{1,2}\)\s)?$|submitted for $",
    re.IGNORECASE,
)
_STATION = re.compile(
    rf"\b(?:{STATIONS}|pelvic|peri\w+|para\w+|cervical|neck|level|station|gastric|mesenteric|lt|rt|lobar|caval)\b[^.;:]{{0,30}}$",
    re.IGNORECASE,
)
_OF_ORGAN = re.compile(
    r"[\s.]{1,2}(?:biops(?:y|ies)|bx|resection|nodule|neoplasm)\b(?!\s(?:site|margin|line))", re.IGNORECASE
)
_PAST = re.compile(r"(?:prior|previous|history of|the)\s(?:\w{1,10}\s)?$", re.IGNORECASE)
_TUMOUR = re.compile(r"\s(?:mass|tumou?r|cancer|carcinoma|lesion)\b", re.IGNORECASE)
_NAME = re.compile(
    r"(?:\s|/\w{1,8}\s\w{1,8}\s)(?:cell|vein|pelvis|sinus|artery|parenchyma|capsule|fat|surface|wall|margin|invasion|involvement|extension|hilum|metasta)",
    re.IGNORECASE,
)
_NODE_GROUP = re.compile(r"[^.;:]{0,25}\b(?:nodes?|LNs?)\b", re.IGNORECASE)
_SIDE = re.compile(
    r"\b(?P<side>left|right|bilateral|midline|Rt|Lt)\b|(?<=:\s)(?P<short>[LR])(?=\s[a-z])", re.IGNORECASE
)
_SIDED = re.compile(
    r"(?:[\s,]{1,2}(?:and|radical|partial|total|modified|simple|extrapleural|upper|lower|middle|posterior|lateral|lobe|of|the)){0,3}[\s,.]{1,2}(?P<what>\w{3,20})",
    re.IGNORECASE,
)
_LOBE = re.compile(r"\s(?:upper|lower|middle)\slobe\b", re.IGNORECASE)
# Where the skin bears a tumour, the side is that of the region.
_SKIN = re.compile(r"melanoma|\bskin\b|cutaneous", re.IGNORECASE)
_REGION = re.compile(
    r"\s(?:(?:upper|lower|mid|anterior|posterior|lateral|medial|dorsal)\s){0,2}(?:arm|forearm|chest|back|thigh|leg|calf|knee|foot|heel|hand|finger|shoulder|cheek|scalp|ear|temple|forehead|flank|abdomen|buttock|breast skin)\b(?!\s(?:wall|tube))",
    re.IGNORECASE,
)
_LATERALITY = re.compile(
    r"(?:lateralit[a-z]{1,3}(?:\sindicated)?\s?[:.]|[.;]\s(?:location|side)\s?:|\bmultifocal,?|tumou?r\s(?:location|site)s?\s?[:.](?:\s?[a-z]{3,12}[\s.,]{1,2}){0,6})\s?$",
    re.IGNORECASE,
)
_NOT_SIDED = re.compile(
    r"node|adnex|ureter|seminal|margin|axill|pelvic|iliac|neck|tube|crus|vein|artery|obturator|inguinal", re.IGNORECASE
)
_MEASURED = re.compile(r"\slobe,?\s(?:\(?\d|measures|of\sthyroid\smeasures)", re.IGNORECASE)  # how large each half is
_ADNEXA = re.compile(r"\W{1,3}(?:salping|oophor|adnex)", re.IGNORECASE)
_OPERATED = re.compile(r"ectomy\s?,?\s?\(?$", re.IGNORECASE)
_OVARIAN = re.compile(
    r"ovar(?:y|ian)\W{1,3}(?:serous|mucinous|endometrioid|clear cell|cancer|carcinoma|adenocarcinoma|tumou?r|neoplasm|mass)",
    re.IGNORECASE,
)
_SIDE_WORDS = ("left", "right", "bilateral", "midline", "rt", "lt", ": l ", ": r ")
_WORDS = {"rt": "right", "lt": "left", "l": "left", "r": "right"}


def find_sites(report: Report) -> Iterator[Found]:
    """report (Report): The report. YIELDS (Found): `site` and `laterality`."""
    text, blocks = report.text, report.blocks
    for name, match in load_terms()["site"].find(text):
        if not blocks[match.start()] and _is_site(text, match, name):
            yield Found("site", name, *match.span())
    paired = _paired(text)
    for low, high in stretches(text, _SIDE_WORDS, 2, 12):
        for match in _SIDE.finditer(text, low, high):
            if not blocks[match.start()] and _is_side(text, match, paired):
                word = match.group().lower()
                yield Found("laterality", _WORDS.get(word, word), *match.span())


def _is_site(text: str, match: Match[str], name: str) -> bool:
    start, end = match.span()
    before = text[max(0, start - 75) : start]
    if name == "lymph node":
        return _is_node_site(text, match, before)
    if _NODE_GROUP.match(text, end) or _ABSENT.match(text, end) or _RELATION.search(before[-30:]):
        return False
    if _TUMOUR.match(text, end):
        return True
    if _OF_ORGAN.match(text, end):
        return not _PAST.search(before)
    adjective = match.group().lower().endswith(("al", "ic", "ar", "an"))
    if (adjective and not (name == "adrenal gland" and not _NAME.match(text, end))) or _NAME.match(text, end):
        return False
    if _NAMED.search(before) or _is_operated(text, end) or not before.strip():
        return True
    if _ITEM.match(text, end):
        return False
    if (_QUOTED.search(before[-45:]) and _UNQUOTED.match(text, end)) or _is_described(text, start):
        return True
    if (bears := _BEARS.search(before)) and not _SPREAD.search(before[: bears.start()]):
        return True
    if (has(before, _CUE_WORDS) and _CUE.search(before)) or _HEAD.match(text, end):
        return True
    if _LINE.search(before) and (_STATED_FREE.match(text, end) or _CONTAINS.match(text, end)):
        return True
    far = text[max(0, start - 240) : start]
    consists = _CONSISTS.search(far) if has(far, ("consist",)) else None
    return bool(consists and not _BESIDE.search(consists["list"]) and not _labelled(text, start))


def _is_described(text: str, start: int) -> bool:
    """Whether a place belongs to the list of what was received."""
    far = text[max(0, start - 240) : start]
    return bool(has(far, ("tissue description",)) and _DESCRIBED.search(far))


def _is_operated(text: str, end: int) -> bool:
    """Whether the name of an operation follows."""
    return bool(has(text[end : end + 70], _OPERATION_WORDS) and _OPERATION.match(text, end))


def _is_node_site(text: str, match: Match[str], before: str) -> bool:
    end = match.end()
    bare = match.group().lower() in ("node", "nodes")
    if (
        _NODE_ITEM.match(text, end)
        or before.lower().endswith((" no ", "(no "))
        or _ABSENT.match(text, end)
        or (_ITEM.match(text, end) and not (_NAMED.search(before) or _LABELLED_HEAD.match(text, end)))
    ):
        return False
    if _COUNTED.search(before):
        return False
    station = _STATION.search(before)
    if bare and not (station or re.search("specimen", before, re.IGNORECASE)):
        return False
    return bool(
        _NAMED.search(before)
        or _is_operated(text, end)
        or (not bare and _LABELLED_HEAD.match(text, end))
        or (station and (_CUE.search(before) or _HEAD.match(text, end) or _NODE_HEAD.match(text, end)))
        or _is_described(text, match.start())
    )


def _labelled(text: str, start: int) -> bool:
    """Whether the label of the specimen names an organ."""
    window = text[max(0, start - 450) : start]
    labels = list(_LABEL.finditer(window))
    label = re.split("[Cc]onsist", window[labels[-1].end() :])[0] if labels else ""
    return any(load_terms()["site"].find(label))


def _paired(text: str) -> FrozenSet[str]:
    """The organs whose side is that of the tumour. An ovary is often removed with another organ's tumour."""
    paired = frozenset(load_terms()["paired"])
    return paired if _OVARIAN.search(text) else paired - {"ovary"}


def _is_side(text: str, match: Match[str], paired: FrozenSet[str]) -> bool:
    terms = load_terms()
    before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() : match.end() + 60]
    if _LATERALITY.search(before):
        return True
    if _REGION.match(after) and _NAMED.search(before) and _SKIN.search(after[:40]):
        return True
    if _ADNEXA.match(after) or _MEASURED.match(after):
        return False
    if not _NOT_SIDED.search(re.split(r"[.;:]", after)[0]):
        if sided := _SIDED.match(after):
            if re.search("ectomy|^lobe$|enucleation", sided["what"], re.IGNORECASE):
                return True
            if _LOBE.search(sided.group()):
                return True
            if organ := terms["site"].match(after, sided.start("what")):
                return organ[0] in paired
        behind = list(terms["site"].find(before))
        if behind and re.fullmatch(r"(?:\sgland)?\s?[,(]\s?", before[behind[-1][1].end() :]):
            return behind[-1][0] in paired
    return bool(_OPERATED.search(before))
