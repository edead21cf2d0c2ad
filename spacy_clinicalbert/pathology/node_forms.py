"""How pathologists write counts of lymph nodes, one expression for each way.

An expression has the group `positive`, `examined` or both, and these besides: `none` where the words say that none is positive, `absent` where there are no nodes,
`judged` where what is said of the nodes around the count decides, `noun` where the word for nodes follows the number, and so agrees with it.
"""

import re

from .found import GAP, INSIDE, NUMBER, WRAP
from .predicates import CLEAN, KIND, NODES, NONE, TUMOUR, VERB

FIGURE = rf"(?:\s?\({NUMBER}\))?"  # "SEVEN (7)"
HOW_MANY = rf"(?:{NUMBER}|single|\(\d{{1,2}}\))"
POSITIVE = rf"(?P<positive>{NUMBER}|none)\b(?!\s?/)"
EXAMINED = r"(?:examined|i(?:n?d|n)entified|sampled|submitted|retrieved|recovered|received|evaluated|dissected|found|removed|resected)"
# "12 right hilar lymph nodes"
SOME = rf"(?<![\w/])(?P<examined>{HOW_MANY}){FIGURE}(?!\s[cm]m\b)\s{KIND}(?:lymph{GAP})?(?P<noun>nodes?)"
OF_EXAMINED = rf"(?:out\s)?of{GAP}(?:the\s|a total of\s)?(?P<examined>{NUMBER})(?!\.\s?\d|\s?[cm]m\b)"
# "and the associated fat," "from level IV,"
ALSO = rf"(?:\s(?:and\s(?:(?![\d,]){INSIDE}){{1,45}}?|(?:from|in)\s[a-z]{{3,14}}(?:\s\w{{1,12}}){{0,2}}),?)?"
SAYS = VERB.replace(r"\W", r"[^\w()]")  # not out of brackets
FOUND = r"(?:(?:were\s|are\s|is\s)?(?:examined|identified|found|retrieved|recovered|prepared|dissected|isolated))?"
SHOWS = rf"(?:with|contain|show|prove|are|is|was|were|has|have)\w{{0,3}}\s(?!no\b|free|negative){INSIDE}{{0,25}}?(?:metasta|positive|involve|{TUMOUR})"

# The items of a form.
NUMBER_OF = r"\b(?:total\s)?(?:number|total|no\.?(?=\s(?:exam|invol|posit|of\b))|#)(?:\sof)?\s(?:(?:all|the|total|number|of|regional|sentinel)\s){0,3}"
INVOLVED = rf"(?:positive|(?:metastatically\W)?involved|metastatic[\w-]{{0,14}}|(?:with|containing|showing|having)\s(?!micro){TUMOUR})"
_IS = r"\s?(?:\([^)]{0,60}\)\s?)?(?:[:;=]|\b(?:is|was|are|were)\b|(?<=examined)\.|(?<=positive)\.|(?<=involved)\.)\s?"

FRACTION = r"(?<![\d/.])(?P<positive>\d{1,2})\s?/\s?(?P<examined>\d{1,3})(?![\d/]|\.\d|\s(?:solution|mixture)\b)"
RATIO = r"(?:\(|\btotal\)?\s?:?\s?)(?P<positive>\d{1,2})\s?:\s?(?P<examined>\d{1,3})(?![\d/:]|\.\d)"  # "(positive: total): 0:14"

# Before each expression stands a word of all that it matches, which is cheap to look for. Others are tried where they can begin: "#" at a number or "no" with a word for nodes behind it,
# "/" at a number, "@" at a word for nodes, "@#" there and at one for their number.
FORMS = [
    (word, re.compile(expression, re.IGNORECASE))
    for word, expression in (
        # one number out of another one
        (
            "#",
            rf"\b(?P<positive>{NUMBER}|none){FIGURE}{WRAP}\(?{OF_EXAMINED}(?:\s?\(\d{{1,3}}(?:\s?/\s?\d{{1,3}})?\)\.?|\s?\))?{INSIDE}{{0,45}}?\b{NODES}\b(?P<judged>)",
        ),
        # "Lymph nodes: 0 of 15"
        ("@", rf"\b{NODES}(?:\s\([^)]{{0,25}}\))?\s?[:,]\s{POSITIVE}\s{OF_EXAMINED}(?P<judged>)"),
        # "lymph nodes (0 of 15)"
        ("@", rf"\b{NODES}[\s.]{{1,2}}\(\s?{POSITIVE}\s(?:out\s)?(?:of|to)\s(?P<examined>{NUMBER})\s?\)(?P<judged>)"),
        # "Lymph nodes: 15 examined, 2 positive"
        (
            "@",
            rf"\b{NODES}(?:\s\([^)]{{0,25}}\))?\s?:\s(?P<examined>{NUMBER}){FIGURE}\s(?:examined|identified|sampled|submitted|retrieved|recovered|total)\b(?:[,;]?\s(?:and\s|of which\s)?(?:{POSITIVE}\s(?:(?:is|are|was|were)\s)?(?:positive|involved|metasta\w{{1,4}}|with\s(?:metasta\w{{1,4}}|tumou?r|carcinoma))\b(?!(?:\s\w{{1,12}}){{0,2}}\smargin)|(?P<none>all\s(?:(?:are|were)\s)?(?:negative|benign|free|{NONE}))))?",
        ),
        (
            "of",
            rf"(?<!consists )(?<!consist )(?<!consisting )\bof\s(?P<examined>{NUMBER})(?!\.\s?\d){INSIDE}{{0,20}}?\bnodes?\b(?:{INSIDE}{{0,15}}?,\s{POSITIVE}{INSIDE}{{0,30}}?(?:positive|metasta|replace|involve))?",
        ),
        # items of a form
        ("@#", rf"(?:{NUMBER_OF})?\b(?:(?:regional|sentinel)\s)?{NODES}\s{INVOLVED}[^.:;,\d]{{0,45}}?{_IS}{POSITIVE}"),
        ("@#", rf"{NUMBER_OF}{INVOLVED}(?:\s{NODES})?[^.:;,\d]{{0,45}}?(?:{_IS}|\.\s){POSITIVE}"),
        (
            "@#",
            rf"(?:{NUMBER_OF})?\b(?:(?:regional|sentinel)\s)?{NODES}\s{EXAMINED}{_IS}(?P<examined>{NUMBER}|none)\b(?!\s?/)",
        ),
        ("@#", rf"{NUMBER_OF}(?:(?:{NODES}\s)?{EXAMINED}|{NODES})(?:{_IS}|\.\s)(?P<examined>{NUMBER}|none)\b(?!\s?/)"),
        (
            "@",
            rf"\b{NODES}\s(?:metasta\w{{1,4}}|involvement)\s?\??\s?:\s?(?P<none>no\b(?=\s?[.;,](?!\sexam)|$)|none\b|absent|negative|not\s(?:identified|present|seen|found))",
        ),
        (
            "metasta",
            rf"\bmetasta\w{{1,4}}\s(?:to|in)\s(?:(?:the|regional)\s){{0,2}}{NODES}{_IS}(?P<none>absent|none\b|no\b|not\s(?:identified|present|seen|found))",
        ),
        # none is positive
        (
            "#",
            rf"\b(?P<none>no)\s(?:evidence of\s|metastatic\s){{0,2}}{TUMOUR}\W{INSIDE}{{0,25}}?\b(?:in|of)\s(?:a total of\s)?(?P<examined>{NUMBER}){FIGURE}\s{KIND}{NODES}",
        ),
        ("#", rf"{SOME}(?:\s{FOUND})?,?(?:\sand)?{ALSO}{SAYS}(?P<none>{CLEAN})"),
        ("", rf"\b(?P<none>{NONE}),\s(?P<examined>{NUMBER}){FIGURE}\s{KIND}{NODES}"),
        # some are
        (
            "#",
            rf"{SOME}\s?{FOUND},?\s(?:of\s(?:which|these)[\s,]{{1,2}})?(?P<positive>{NUMBER}|none)\.?\s(?:of\s(?:which|these)\s)?(?:{NODES}\s)?{SHOWS}",
        ),
        ("of", rf"\bof\s(?:which|these),?\s(?P<positive>{NUMBER}|none)\s(?:{NODES}\s)?{SHOWS}"),
        (
            "metasta",
            rf"(?<!no )(?<!of )(?<!evidence )\bmetasta\w{{1,4}}{INSIDE}{{0,45}}?\b(?:in|involving)\s(?P<positive>{HOW_MANY}){FIGURE}(?!\s(?:of|out|to)\b)\s{KIND}{NODES}",
        ),
        # "Metastatic carcinoma: lymph nodes, 4, right"
        ("metasta", rf"(?<!no )\bmetasta\w{{1,4}}\s{INSIDE}{{1,110}}:\s{NODES},\s(?P<positive>\d{{1,2}})(?=[,.;])"),
        ("#", rf"(?<![\w/])(?<!of )(?P<positive>{NUMBER}){FIGURE}\s(?:positive|involved|metastatic)\s{KIND}{NODES}"),
        ("#", rf"\b(?P<examined>{HOW_MANY}){FIGURE}\s(?P<none>(?:benign|negative|tumou?r-free|reactive)\s){KIND}{NODES}"),
        # "1/12", "(No IV/XIX)"
        ("/", FRACTION),
        (":", RATIO),
        ("(no", r"\(no\.?\s(?P<positive>[ivxl]{1,6})\s?/\s?(?P<examined>[ivxl]{1,6})\)"),
        ("#", rf"{SOME}(?:\sexamined)?,\s{INSIDE}{{0,90}}?\s(?P<none>negative|free)\b"),
        ("#", rf"\b{POSITIVE}{FIGURE}\s{KIND}{NODES}\W{{1,3}}(?:(?:are|is)\s)?(?:positive|with metasta)"),
        # "lymph nodes (14): free of tumor", "Lymph nodes (4), right pelvic, excision"
        (
            "@",
            rf"\blymph{GAP}(?P<noun>nodes?)[.,]?\s\((?P<examined>[1-9]\d?)\)(?P<result>{VERB}(?P<none>{CLEAN})|,\s(?:(?!lymph|node)[a-z\s-]){{3,30}}(?=[,.:]))?",
        ),
        (
            "@",
            rf"\blymph{GAP}(?P<noun>nodes?)[,:]?\s(?:level|station|zone)\s\w{{1,4}}\s\((?P<examined>[1-9]\d?)\)(?P<result>{VERB}(?P<none>{CLEAN}))?",
        ),
        ("@", rf"\b{NODES}\sstatus\s?:\s?(?P<none>{CLEAN})"),
        ("node", rf"\b(?P<none>(?:tumou?r\W?)?free|negative)\s{NODES}(?:\s\((?P<examined>{NUMBER})(?:\sexamined)?\))?"),
        ("@", rf"\b{NODES}\s\((?P<examined>{NUMBER})\sexamined\)"),
        # no count
        ("@", rf"\b{NODES}\s(?:does|do|did)\s(?P<none>not)\s(?:have|show|contain)\s{INSIDE}{{0,25}}?{TUMOUR}"),
        (
            "@",
            rf"\b{NODES}(?:\s?\([A-Z0]\)|\s?#\s?\d)?(?:\swith\s[a-z]{{4,20}})?(?:{VERB}|\s(?:show|demonstrate|reveal)\w?\s)(?P<none>{CLEAN})",
        ),
        ("reactive", rf"\b(?P<none>reactive\slymphadenitis)\sin\s(?:(?:all|the|examined)\s){{0,3}}{KIND}{NODES}"),
        # what was examined, and nothing of the result
        ("#", rf"{SOME}\s(?:(?:were|are)\s)?(?:examined|evaluated)\b(?P<result>)"),
        ("#", rf"(?<![\w/])(?P<examined>{NUMBER}){FIGURE}\s(?:examined|evaluated)\s{KIND}(?:lymph{GAP})?(?P<noun>nodes?)(?P<result>)"),
        # there are no nodes
        (
            "@#",
            rf"\b(?:no\s{NODES}\s(?:(?:is|are|were)\s)?(?:present|included|{EXAMINED})|{NODES}(?:\s?[:-]{{1,2}}\s?|\s)(?:none|not)\s(?:present|included|submitted|identified|sampled|received|resected|removed|found)|{NODES}\s?:\s?none(?=\s?[.;,]))(?P<absent>)",
        ),
    )
]  # fmt: skip
