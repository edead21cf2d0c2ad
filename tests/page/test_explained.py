import pytest

from spacy_clinicalbert.deployment.notes import make_note
from spacy_clinicalbert.page.explained import MAX_PIECES, Wanted, read_layer, read_wanted
from spacy_clinicalbert.page.run import Extras, render_note
from spacy_clinicalbert.page.sources import Asked
from tests.page.html import check
from tests.pipeline.conftest import make_assertion_nlp

NOTE = "No cough. The patient denies chest pain <b>."


@pytest.fixture(scope="module")
def nlp(toy):
    nlp = make_assertion_nlp(toy)
    ruler = nlp.add_pipe("entity_ruler", before="clinical_assertion")
    ruler.add_patterns([{"label": "PROBLEM", "pattern": "cough"}, {"label": "PROBLEM", "pattern": "chest pain"}])
    return nlp


def test_page_shows_which_words_made_an_assertion(nlp):
    doc = nlp(NOTE)
    said = [each["certainty"][0] for each in doc.spans["assertions"].attrs["assertion"]]
    extras = Extras([Wanted("clinical_assertion", f"certainty:{said[0]}")], n_steps=4)
    page = check(render_note(nlp, Asked(make_note(0, "n1", NOTE, None)), extras))
    text = " ".join(page.text.split())
    assert text.count("Why certainty") == said.count(said[0]) and f"Why certainty:{said[0]} of “cough”" in text
    assert "unexplained" in text and page.find("heat")
    assert page.notes[1:] and all(note in NOTE for note in page.notes[1:])


def test_page_shows_attention(nlp):
    page = check(render_note(nlp, Asked(make_note(0, None, NOTE * 20, None)), Extras(attention=[(0, 1), (1, 0, 0)])))
    assert page.text.count("Attention of layer") == 2
    rows = [each for tag, each in page.elements if tag == "th" and each.get("scope") == "row"]
    assert len(rows) <= 2 * MAX_PIECES


@pytest.mark.parametrize(
    "extras, reason",
    [
        (Extras([Wanted("encoder", "x")]), "'encoder' cannot be explained"),
        (Extras([Wanted("clinical_assertion", "absent")]), "has no label 'absent'"),
        (Extras(attention=[(7, 0)]), "2 layers of 2 heads"),
    ],
)
def test_page_says_what_cannot_be_explained(nlp, extras, reason):
    page = check(render_note(nlp, Asked(make_note(0, None, NOTE, None)), extras))
    assert "Not shown" in page.text and reason in page.text


def test_what_is_to_be_explained_is_read():
    assert read_wanted("clinical_assertion:certainty:absent") == ("clinical_assertion", "certainty:absent")
    assert read_layer("3:-1") == (3, -1) and read_layer("0:1:2") == (0, 1, 2)
    with pytest.raises(ValueError, match="COMPONENT:LABEL"):
        read_wanted("absent")
    for text in ("3", "a:b", "1:2:3:4"):
        with pytest.raises(ValueError, match="LAYER:HEAD"):
            read_layer(text)
