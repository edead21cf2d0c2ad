"""Text that looks like personal data, by presidio's pattern recognisers and two patterns that clinical notes need. Names are not
looked for: that takes a model. What is found is masked wherever it is shown.
"""

import re
from bisect import bisect
from itertools import pairwise
from typing import Any, Iterator, List, NamedTuple, Tuple

from .findings import WARNING, Finding, Kind, Tally, excerpt
from .notes import Note

MIN_SCORE = 0.3  # presidio gives 0.05 to 0.2 to numbers of which little more is known than their length
MARGIN = 40  # characters around a likely place that a recogniser gets to see
# What a de-identifier put there: [**2101-1-1**], [**Telephone/Fax (1) 123**].
_MASK = re.compile(r"\[\*\*.{0,200}?\*\*\]", re.DOTALL)  # bounded, for one that is not closed is looked for to the end
_DATE = r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}[ -]?[a-z]{3,9}[ ,-]{1,2}\d{4}|[a-z]{3,9} \d{1,2},? \d{4})"

# Entity of presidio's → where a text is worth the recogniser's time. Of web addresses those with a scheme or www, for "b.i.d.at" is none.
LIKELY = {
    "EMAIL_ADDRESS": r"\w@\w",
    "URL": r"https?://|\bwww\.",
    "PHONE_NUMBER": r"\b\d{3}\)?[-. /]{0,2}\d{3}[-. ]{0,2}\d{4}\b|\+\d[\d ().-]{8}",
    "US_SSN": r"\b\d{3}[- .]\d{2}[- .]\d{4}\b",
    "CREDIT_CARD": r"\b\d(?:[ -]?\d){11}",
    "IP_ADDRESS": r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d",
    "MEDICAL_LICENSE": r"\b[A-Za-z][A-Za-z9]\d{7}\b",
    "MEDICAL_RECORD_NUMBER": r"\b(?:MRN?|medical record)\b",
    "DATE_OF_BIRTH": r"\b(?:D\.?O\.?B|date of birth|born on)\b",
}


class Found(NamedTuple):
    start: int
    end: int
    entity: str
    score: float


class PersonalData:
    """See the module. presidio's own e-mail recogniser would fetch the list of top-level domains; this one takes the list that
    tldextract brings, so that nothing here asks a network.

    RAISES (ImportError): presidio-analyzer is not installed.
    """

    def __init__(self, tally: Tally) -> None:
        from presidio_analyzer import Pattern, PatternRecognizer
        from presidio_analyzer import predefined_recognizers as predefined
        from tldextract import TLDExtract

        domains = TLDExtract(cache_dir=None, suffix_list_urls=())

        class EmailRecognizer(predefined.EmailRecognizer):
            def validate_result(self, pattern_text: str) -> bool:
                return bool(domains(pattern_text).fqdn)

        number = r"\b(?:MRN?|medical record (?:number|no\.?|#))[ :#.]{0,3}(?=[\w-]*\d{4})[\w-]{5,15}\b"
        birth = rf"\b(?:D\.?O\.?B\.?|date of birth|born on)[ :]{{0,3}}{_DATE}"
        recognizers: List[Any] = [
            EmailRecognizer(),
            predefined.UrlRecognizer(),
            predefined.PhoneRecognizer(supported_regions=("US",)),
            predefined.UsSsnRecognizer(),
            predefined.CreditCardRecognizer(),
            predefined.IpRecognizer(),
            predefined.MedicalLicenseRecognizer(),
            PatternRecognizer("MEDICAL_RECORD_NUMBER", patterns=[Pattern("number", number, 0.8)]),
            PatternRecognizer("DATE_OF_BIRTH", patterns=[Pattern("date", birth, 0.8)]),
        ]
        self.tally = tally
        self._recognizers = [(each, re.compile(LIKELY[each.supported_entities[0]], re.I)) for each in recognizers]

    def see(self, note: Note) -> None:
        text = _MASK.sub(lambda mask: "*" * len(mask[0]), note.text)
        found = self._find(text)
        borders = [0, *(border for start, end, *_ in found for border in (start, end)), len(text)]
        pieces = [text[start:end] for start, end in pairwise(borders)]
        text = "".join("#" * len(piece) if number % 2 else piece for number, piece in enumerate(pieces))
        for start, end, entity, _ in found:
            kind = Kind("personal data", WARNING, f"Text that looks like personal data: {entity}")
            self.tally.add(kind, note.name, f"{entity}, characters {start}-{end}", excerpt(text, start, end))

    def _find(self, text: str) -> List[Found]:
        """Of findings that overlap, the surest."""
        found: List[Found] = []
        for recognizer, likely in self._recognizers:
            for start, end in _slices(text, likely):
                for each in recognizer.analyze(text[start:end], recognizer.supported_entities):
                    if each.score >= MIN_SCORE:
                        found.append(Found(start + each.start, start + each.end, each.entity_type, each.score))
        kept: List[Found] = []  # in the order of the text
        for each in sorted(found, key=lambda one: (-one.score, one.start, -one.end)):
            place = bisect(kept, each)
            before, behind = kept[max(place - 1, 0) : place], kept[place : place + 1]
            if all(other.end <= each.start for other in before) and all(each.end <= other.start for other in behind):
                kept.insert(place, each)
        return kept

    def findings(self) -> Iterator[Finding]:
        return self.tally.findings()


def _slices(text: str, likely: re.Pattern) -> Iterator[Tuple[int, int]]:
    """The pieces of a text around likely places, cut at white space, none twice."""
    last = 0
    for match in likely.finditer(text):
        if match.start() >= last:
            start = max(last, text.rfind(" ", 0, max(match.start() - MARGIN, 0)) + 1)
            stop = text.find(" ", match.end() + MARGIN)
            last = len(text) if stop < 0 else stop
            yield start, last
