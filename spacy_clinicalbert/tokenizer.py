"""The registered tokenizer `spacy-clinicalbert.ClinicalTokenizer.v1`: spaCy's own, with rules for clinical text.

What annotators mark has to begin and end where tokens do, else it cannot be learned. So where English rules and
clinical text disagree, the finer cut is taken, but for what is never marked in part: dates, "p.o.", "q6h", "s/p", masks.
"""

import re
from typing import Any, Callable, Dict

from spacy.lang.en import English
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex

# Of English's exceptions these are kept, with those that have an apostrophe ("can't") and the hours ("8am"). Not
# kept are smileys ("8)"), letters with a period ("hepatitis C."), states ("Ia."), and what a note means as it stands
# ("im" is no "I'm", "id" no "I'd").
_ABBREVIATIONS = """
Adm. Apr. Aug. Dec. Dr. Feb. Jan. Jr. Jul. Jun. Mr. Mrs. Ms. Mt. Nov. Oct. Ph.D. Prof. Sep. Sept. St. cannot vs.
""".split()
_SLASHED = "and/or b/c b/l c/o c/w d/c d/t f/u h/o i/o n/a n/v p/w r/o s/p w/ w/o w/u y/o".split()
# A number and its unit are two tokens.
_UNITS = (
    "%|[mkcdnpµμuf]?[gGlLm]|mcg|cc|[mnpµμu]?mol|mosm|[mµμ]?Eq|[mu]?IU|mm3|U|units?|mmHg|Hz|kHz|Gy|cGy|mCi|kcal|kPa|bpm"
    "|MC?G|KG|C[MC]|M[ML]|ME[Qq]|HRS?|MIN"  # medication lists in capitals
    "|[Ff]r|gtts?|gr|in|ft|lbs?|oz|h|hrs?|mins?|secs?|wks?|mos?|y|yo|yrs?|am|pm|a\\.m\\.|p\\.m\\."
)
# Words that are cut once, not each time; spaCy's 10,000 are full after a few hundred notes.
_MAX_CACHE_SIZE = 100_000
_RULE = r"(?:-{2,}|={2,}|_{2,}|\*{2,}|#{2,}|~{2,}|\.{2,})"  # drawn lines, and the blanks of forms

_MASK = r"\[\*\*[^\s\]]*\*\*\]"  # [**2101-1-1**], as MIMIC-III has them

_WHOLE = "|".join(
    [
        _MASK,
        r"(?:[A-Za-z]\.){2,}",  # p.o., b.i.d., U.S.
        r"[qQ]\.?\d+(?:-\d+)?\.?(?:h|hrs?|d|min|wk)",  # q6h, q.4-6h
        r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}",  # 12/25/2001, 2001-12-25
        _RULE,
    ]
)
_PREFIXES = [_RULE, _MASK, r"\[\*\*", r"[~∼≈≤≥±]"]
_SUFFIXES = [
    _RULE,
    r"\*\*\]",
    r"\.",  # also behind units and capitals: "10 mmol/L.", "hepatitis C."
    r"(?<=[A-Za-z0-9])[-+]",  # CD8-, Na+
    rf"(?<=[0-9])(?:{_UNITS})",
]
_INFIXES = [
    rf"(?<=\d)(?=(?:{_UNITS})(?![A-Za-z]))",  # 5mg/kg; a cut of no width
    r"(?<=\d)(?=[a-z]{4})",  # 3weeks
    r"(?<=\d)[x×](?=\d)|(?<=\d)(?=[cCmM][mM][x×]\d)|(?<=\d[cCmM][mM])[x×](?=\d)",  # 3x4cm, 3cmx4cm
    r"(?<=[A-Za-z.])\[\*\*",  # Mr.[**Name**]
    r"(?<=[\w%])[=<>≤≥±≈](?=[\w.−-])",  # EF=0.20
    r"(?<=[A-Za-zµμ])/(?=\d)",  # µg/24
    r"(?<=[A-Za-z0-9][-+])/(?=[A-Za-z])",  # CD4+/CD8-
    r"(?<=[A-Za-z0-9])[-+](?=/)",
    # T2N0M0
    r"(?<=T[0-4xX])(?=[NM][0-3xX])|(?<=T[1-4][a-d])(?=[NM][0-3xX])|(?<=Tis)(?=[NM][0-3xX])",
    r"(?<=N[0-3xX])(?=M[01xX])|(?<=N[1-3][a-d])(?=M[01xX])",
    # Marks of references and figures, set close: "infection.1", "risk[4]", "layer.[10]", "calcification(figure 2)".
    r"(?<=[A-Za-z]{3})[.,;](?=[\d([])",
    r"(?<=[A-Za-z]{3})[(\[](?=\w)",
    r"(?<=[.,;)])[(\[](?=\w)",
    r"(?<=\))[.,;](?=[\[(])",
    r"\)(?=[.,;]\[)|\)(?=[a-z]{2})",
]


def blank_clinical() -> Language:
    """Make an empty English pipeline with this tokenizer."""
    return English.from_config({"nlp": {"tokenizer": {"@tokenizers": "spacy-clinicalbert.ClinicalTokenizer.v1"}}})


def clinical_tokenizer() -> Callable[[Language], Tokenizer]:
    """The registered function; in a config, `[nlp.tokenizer]` has `@tokenizers = "spacy-clinicalbert.ClinicalTokenizer.v1"`.

    RETURNS (Callable[[Language], Tokenizer]): Makes the tokenizer of an English pipeline.
    """
    return make_clinical_tokenizer


def make_clinical_tokenizer(nlp: Language) -> Tokenizer:
    """Make spaCy's tokenizer with English rules and those of clinical text.

    nlp (Language): Gives the vocabulary.
    RETURNS (Tokenizer): Saved and loaded with the pipeline like any other.
    """
    defaults = English.Defaults
    return Tokenizer(
        nlp.vocab,
        rules=_exceptions(),
        prefix_search=compile_prefix_regex(_PREFIXES + list(defaults.prefixes or [])).search,
        suffix_search=compile_suffix_regex(_SUFFIXES + list(defaults.suffixes or [])).search,
        infix_finditer=compile_infix_regex(_INFIXES + list(defaults.infixes or [])).finditer,
        token_match=re.compile(rf"(?:{_WHOLE})\Z").match,
        url_match=defaults.url_match,
        max_cache_size=_MAX_CACHE_SIZE,
    )


def _exceptions() -> Dict[str, Any]:
    kept = re.compile(rf"\s|[A-Za-z]*['’][A-Za-z]*|\d+[ap]\.?m\.?|{'|'.join(map(re.escape, _ABBREVIATIONS))}")
    english = English.Defaults.tokenizer_exceptions.items()
    rules = {text: pieces for text, pieces in english if kept.fullmatch(text)}
    return {**rules, **{form: [{"ORTH": form}] for text in _SLASHED for form in (text, text.upper())}}
