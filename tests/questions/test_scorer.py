import pytest
import spacy
from spacy.training import Example

from spacy_clinicalbert.questions.answers import Found, find_answers, read_found
from spacy_clinicalbert.questions.asked import Known, Question
from spacy_clinicalbert.questions.scorer import exact_match, normalize, score_questions, word_f1

TEXT = "The patient denies chest pain. Aspirin given for fever."


# As SQuAD's evaluate-v2.0.py has them.
@pytest.mark.parametrize(
    "given, wanted, em, f1",
    [
        ("The chest-pain!", ["chestpain"], 1, 1),
        ("a fever", ["fever", "no"], 1, 1),
        ("chest pain and fever", ["chest pain"], 0, 2 / 3),
        ("pain pain", ["pain"], 0, 2 / 3),
        ("", [], 1, 1),
        ("fever", [], 0, 0),
        ("", ["fever"], 0, 0),
        ("the", ["an"], 1, 1),
        ("", ["the", "fever"], 0, 0),
    ],
)
def test_exact_match_and_f1(given, wanted, em, f1):
    assert exact_match(given, wanted) == em and word_f1(given, wanted) == pytest.approx(f1)


def test_articles_are_words_of_their_own():
    assert normalize("An  anemia, the theory") == "anemia theory"


def test_scores():
    nlp = spacy.blank("en")
    example = Example(nlp.make_doc(TEXT), nlp.make_doc(TEXT))
    span, yes_no = (lambda name: Question(name, "?")), Question("y", "?", "yes_no")
    known = [
        Known(span("right"), [(19, 29)], None, None),
        Known(span("second"), [(31, 38)], None, None),
        Known(span("weak"), [(49, 54)], None, None),
        Known(span("other"), [], None, "other_article"),
        Known(span("removed"), [], None, "removed_section"),
        Known(yes_no, [], "yes", None),
    ]
    found = [
        Found(span("right"), [(3, 5, 0.9)], {}),  # chest pain
        Found(span("second"), [(3, 5, 0.8), (6, 7, 0.7)], {}),
        Found(span("weak"), [(9, 10, 0.4)], {}),
        Found(span("other"), [(3, 5, 0.1)], {}),
        Found(span("removed"), [(3, 5, 0.6)], {}),
        Found(yes_no, [(0, 11, 0.6)], {"yes": 0.3, "no": 0.7}),
    ]
    scores = score_questions([example], known=[known], found=[found], threshold=0.5)
    assert scores["qa_em"] == scores["qa_f1"] == pytest.approx(2 / 5)
    assert scores["qa_answered_f1"] == pytest.approx(1 / 3)
    assert scores["qa_hit1"] == pytest.approx(2 / 3) and scores["qa_hit5"] == 1
    assert scores["qa_auroc_per_rule"] == {"other_article": 1.0, "removed_section": pytest.approx(2 / 3)}
    assert scores["qa_auroc"] == pytest.approx(5 / 6)
    assert scores["qa_label_acc"] == scores["qa_label_macro_f"] == 0
    assert scores["qa_several_f"] is None
    assert set(score_questions([], known=[], found=[], threshold=0.5).values()) == {None}


def test_several_answers_count_by_what_they_touch():
    nlp = spacy.blank("en")
    example = Example(nlp.make_doc(TEXT), nlp.make_doc(TEXT))
    question, nothing = Question("q", "?", n_answers=3), Question("n", "?", n_answers=3)
    known = [Known(question, [(19, 29), (31, 38), (49, 54)], None, None), Known(nothing, [], None, "absent_label")]
    # Of three answers two are right, and touch two of three; one is below the threshold.
    found = [
        Found(question, [(3, 4, 0.9), (6, 7, 0.8), (1, 2, 0.7), (9, 10, 0.4)], {}),
        Found(nothing, [(0, 1, 0.2)], {}),
    ]
    scores = score_questions([example], known=[known], found=[found], threshold=0.5)
    assert scores["qa_several_f"] == pytest.approx(2 / 3)
    assert scores["qa_auroc_per_rule"] == {"absent_label": 1.0}


def test_a_span_group_of_another_component_is_no_answer():
    doc = spacy.blank("en").make_doc("The dose was 5 mg.")
    doc.spans["answers"] = [doc[3:5]]
    assert read_found(doc) == {} and find_answers(doc) is None
