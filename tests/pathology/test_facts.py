import pytest
import spacy
from thinc.api import Adam

from spacy_clinicalbert.pathology import component
from spacy_clinicalbert.pathology.component import STATED, stated_record
from spacy_clinicalbert.pathology.facts import find_facts
from tests.pipeline.test_note_classifier import make_textcat, with_cats

REPORT = (
    "Left breast, mastectomy: invasive ductal carcinoma, tumor size: 2.3 x 1.8 cm. A second tumor measures 1.2 cm. Margins: negative. "
    "Metastatic carcinoma in two of fourteen lymph nodes (2/14). Stage: pT2 N1a."
)


FACTS = {"@misc": "spacy-clinicalbert.pathology_facts.v1"}


def facts_of(text):
    doc = spacy.blank("en")(text)
    return {(each.name, doc[each.start : each.end].text) for each in find_facts(doc)}


def test_sizes_and_counts_are_facts_by_bounds_and_stages_are_none():
    found = facts_of(REPORT)
    names = {name for name, _ in found}
    # The larger of two tumours counts.
    assert {"tumour_size > 20", "tumour_size <= 30", "breast tumour_size > 20", "site breast"} <= names
    assert not {"tumour_size <= 20", "tumour_size > 30", "breast tumour_size > 10"} & names
    assert {"nodes_positive > 0", "nodes_positive <= 2"} <= names and "nodes_positive > 2" not in names
    assert all("2.3 x 1.8 cm" in words for name, words in found if "tumour_size" in name)
    assert not [name for name in names if name.startswith(("pT", "pN", "pM", "stage"))]


def test_no_report_has_no_facts_and_what_is_not_stated_is_none():
    assert facts_of("") == facts_of("Tumor size: not specified.") == set()


def test_counts_of_parts_add_up_unless_there_is_a_total():
    parts = "A. Two of 5 lymph nodes positive (2/5). B. Lymph nodes: metastatic carcinoma in three of seven lymph nodes (3/7)."
    record = component.read_report(parts)
    assert [value.part for value in record.nodes_positive] == [True, True]
    assert {"nodes_positive > 3", "nodes_positive <= 6"} <= {name for name, _ in facts_of(parts)}


def test_a_report_is_read_once_and_nothing_of_it_stays(monkeypatch):
    read = []
    monkeypatch.setattr(
        component, "read_report", lambda text, real=component.read_report: read.append(text) or real(text)
    )
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_pathology")
    doc = nlp.make_doc(REPORT)
    facts = find_facts(doc)
    assert stated_record(doc) == stated_record(doc) and find_facts(doc) == facts
    doc = nlp(doc)
    assert len(read) == 1 and STATED not in doc.user_data
    # Of a Doc that has its record, as an explanation asks for them.
    assert sorted(find_facts(doc)) == sorted(facts) and len(read) == 1 and STATED not in doc.user_data
    assert doc._.pathology.pT[0].value == "T2" and doc._.pathology == nlp(REPORT)._.pathology


@pytest.mark.parametrize("words", [0, 512])
def test_a_classifier_learns_from_facts_what_no_word_tells(toy, tmp_path, words):
    """The numbers of the held-out reports stand in none that was learned from."""
    report = "Kidney, tumor size: {} cm."
    small, large = (1.1, 1.2, 1.3, 1.4), (7.1, 7.3, 8.2, 9.4)
    rows = [(report.format(size), {"T1": float(size < 5), "T2": float(size > 5)}) for size in (*small, *large)]
    nlp = make_textcat(toy, lambda nlp: with_cats(nlp, *rows, *rows), words=words, facts=FACTS, exclusive_classes=False)
    optimizer = Adam(1e-3)
    for _ in range(12):
        nlp.update(with_cats(nlp, *rows), sgd=optimizer)
    unseen = [report.format(size) for size in (1.6, 1.9, 7.6, 8.8)]
    found = [doc.cats for doc in nlp.pipe(unseen)]
    assert [cats["T1"] > 0.5 for cats in found] == [cats["T2"] < 0.5 for cats in found] == [True, True, False, False]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert [doc.cats for doc in loaded.pipe(unseen)] == [pytest.approx(cats, abs=1e-6) for cats in found]
