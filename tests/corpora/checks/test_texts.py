import pytest
import spacy

from spacy_clinicalbert.corpora.checks.findings import Tally
from spacy_clinicalbert.corpora.checks.notes import Note
from spacy_clinicalbert.corpora.checks.texts import Texts


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("Plain text of a note.", []),
        ("Fièvre à 38 °C, “no” cough… 5 µg/mL ≥ 2, naïve, Sjögren’s, α-fetoprotein", []),
        ("FiÃ¨vre Ã  38 Â°C", ["mojibake"]),
        ("Fine line with °C.\nThe patientâ€™s pain.", ["mojibake"]),
        ("The patient\u00e2\u0080\u0099s pain is gone.", ["mojibake"]),
        ("At 38 \ufffdC all day.", ["replacement characters"]),
        ("Page one.\x0cPage two.\tTab.\r\nEnd.", []),
        ("A bell \x07 rings.", ["control characters"]),
        ("BP &gt; 120, AT&T; R&D", ["markup"]),
        ("First line.<br/>Second <b>bold</b> line.", ["markup"]),
        ("WBC <5, BP > 120 and x<y", []),
        ("  \n\t ", ["empty note"]),
        ("See above.", ["near-empty note"]),
    ],
)
def test_texts(text, kinds):
    check = Texts(Tally(10))
    check.see(Note({"text": text}, "n1", "", "", spacy.blank("en")))
    assert [finding.kind for finding in check.findings()] == kinds
