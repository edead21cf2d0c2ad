"""Sites and sides."""

import re
from typing import Iterator, List, Match, Tuple

from .found import Found
from .terms import load_terms

# An organ is a site where the report names a specimen, an operation or a tumour, not wherever it occurs.
_CUE = re.compile(
    r"(?:specimens?(?:\s?\(s\))?(?:\s(?:received|type|source|submitted))?\s?[:.]|labell?ed|diagnosis\s?[:.]|tumou?r\s(?:site|location)\s?:|\bsite\b[^:.]{0,30}[:]?|part\s[A-Z]|nature of specimens?|"
    r"(?:^|[.:;]\s)(?:[A-Z]{1,2}\d?|\d{1,2})\s?[.:)]|procedures?\s?:|biopsy of|resection of|excision of|portion of|consists of (?:a |an |the )?)"
    r"[^.;]{0,45}$",
    re.IGNORECASE,
)
_OPERATION = re.compile(
    r"[^.;:]{0,45}?(?:\w{3,20}ectomy|\bbiops|\bexcision|\bresection|\bdissection|enucleation|checklist)|[^.;:\d]{0,20}(?:\([A-Z]{1,3}\))?\s?:",
    re.IGNORECASE,
)
_TUMOUR = re.compile(r"\s(?:mass|tumou?r|cancer|carcinoma|lesion)\b", re.IGNORECASE)
_NAME = re.compile(
    r"\s(?:cell|vein|pelvis|sinus|artery|parenchyma|capsule|fat|surface|wall|margin|invasion|hilum)", re.IGNORECASE
)
_NODE_GROUP = re.compile(r"[^.;:]{0,25}\b(?:nodes?|LNs?)\b", re.IGNORECASE)
_SIDE = re.compile(
    r"\b(?P<side>left|right|bilateral|midline|Rt|Lt)\b|(?<=:\s)(?P<short>[LR])(?=\s[a-z])", re.IGNORECASE
)
_SIDED = re.compile(
    r"(?:[\s,]{1,2}(?:and|radical|partial|total|modified|simple|extrapleural|upper|lower|middle|posterior|lateral|lobe|of|the)){0,3}[\s,.]{1,2}(?P<what>\w{3,20})",
    re.IGNORECASE,
)
_LATERALITY = re.compile(r"(?:lateralit[a-z]{1,3}(?:\sindicated)?)\s?[:.]\s?$", re.IGNORECASE)
_NOT_SIDED = re.compile(
    r"node|adnex|ureter|seminal|margin|axill|pelvic|iliac|neck|tube|crus|vein|artery|obturator|inguinal", re.IGNORECASE
)


def find_sites(text: str) -> Iterator[Found]:
    """text (str): The report. YIELDS (Found): `site` and `laterality`."""
    terms = load_terms()
    sites: List[Tuple[str, Match[str]]] = []
    for match in terms["site"].finditer(text):
        name = terms["site_names"][match.lastindex - 1]
        sites.append((name, match))
        if name != "lymph node" and _NODE_GROUP.match(text, match.end()):
            continue
        before = text[max(0, match.start() - 75) : match.start()]
        if re.search(
            r"(?:invad|involv|extend|adjacent|attached|into|away from|\bin (?:the )?)\S{0,4}(?:\s\w{1,8})?\s?$",
            before,
            re.IGNORECASE,
        ):
            continue
        adjective = match.group().lower().endswith(("al", "ic", "ar", "an"))
        if _TUMOUR.match(text, match.end()):
            yield Found("site", name, *match.span())
        elif (
            (adjective and not (name == "adrenal gland" and not _NAME.match(text, match.end())))
            or _NAME.match(text, match.end())
            or (match.group().lower() in ("node", "nodes") and not re.search("specimen", before, re.IGNORECASE))
        ):
            continue
        elif _CUE.search(before) or _OPERATION.match(text, match.end()) or not before.strip():
            yield Found("site", name, *match.span())
    yield from _sides(text)


def _sides(text: str) -> Iterator[Found]:
    terms = load_terms()
    paired = set(terms["paired"])
    words = {"rt": "right", "lt": "left", "l": "left", "r": "right"}
    for match in _SIDE.finditer(text):
        before, after = text[max(0, match.start() - 40) : match.start()], text[match.end() : match.end() + 40]
        near = re.split(r"[.;:]", after)[0]
        ok = bool(_LATERALITY.search(before))
        if not ok and not _NOT_SIDED.search(near):
            if sided := _SIDED.match(after):
                organ = terms["site"].match(sided["what"])
                ok = bool(
                    re.search("ectomy|^lobe$|enucleation", sided["what"], re.IGNORECASE)
                    or (organ and terms["site_names"][organ.lastindex - 1] in paired)
                )
            if not ok:
                behind = list(terms["site"].finditer(before))
                ok = bool(
                    behind
                    and terms["site_names"][behind[-1].lastindex - 1] in paired
                    and re.fullmatch(r"(?:\sgland)?\s?,\s?", before[behind[-1].end() :])
                )
            ok = ok or bool(re.search(r"ectomy\s?,?\s?$|ectomy\s\(?$", before, re.IGNORECASE))
        if ok:
            word = match.group().lower()
            yield Found("laterality", words.get(word, word), *match.span())
