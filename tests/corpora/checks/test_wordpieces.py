import spacy

from spacy_clinicalbert.corpora.checks.findings import Tally
from spacy_clinicalbert.corpora.checks.notes import Note
from spacy_clinicalbert.corpora.checks.wordpieces import BUFFER, Wordpieces


def find(texts, toy):
    check = Wordpieces(Tally(100), toy)
    for number, text in enumerate(texts):
        check.see(Note({"text": text}, f"n{number}", "", "", spacy.blank("en")))
    return {finding.kind: finding for finding in check.findings()}


def test_wordpieces_are_counted_over_all_notes(toy):
    texts = ["fever"] * (BUFFER + 3) + ["fever " * 200, "fever " * 600]
    details = [example.detail for example in find(texts, toy)["wordpieces"].examples]
    assert details[0].startswith(f"{BUFFER + 3 + 800} in all; a note has 1 to 600, half of them up to 1,")
    share = 2 / (BUFFER + 5)
    assert details[1].startswith(f"{share:.1%} of the notes are longer than a window of 158")
    assert details[2].startswith(f"{share / 2:.1%} are longer than 512") and details[3].startswith("0.000%")


def test_wordpieces_that_are_unknown_are_named_by_note(toy):
    found = find(["fever and cough", "fever 熱 cough"], toy)
    (example,) = found["unknown wordpieces"].examples
    assert example.record == "n1" and example.detail.startswith("1 of ")
    assert set(find(["fever"], toy)) == {"wordpieces"} and find([], toy) == {}
