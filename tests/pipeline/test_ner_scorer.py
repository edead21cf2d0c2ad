"""The scores of entities."""

from spacy.scorer import get_ner_prf
from spacy.tokens import SpanGroup
from spacy.training import Example

from tests.conftest import NOTES, make_examples
from tests.pipeline.ner import KEY, make_ner


def test_scores_equal_spacys(toy):
    nlp = make_ner(toy)
    examples = make_examples(nlp)
    found = [[(19, 29, "PROBLEM")], [(0, 7, "PROBLEM"), (18, 28, "PROBLEM")], [(16, 21, "DRUG")], []]
    for example, entities in zip(examples, found):
        spans = [example.predicted.char_span(start, end, label=label) for start, end, label in entities]
        example.predicted.set_ents(spans)
    examples[0].reference.set_ents([], missing=[examples[0].reference[0:3]], default="unmodified")
    ours, spacys = nlp.get_pipe("clinical_ner").score(examples), get_ner_prf(examples)
    for key in ("ents_p", "ents_r", "ents_f", "ents_per_type"):
        assert ours[key] == spacys[key]


def test_scorer_passes_over_what_is_not_annotated(toy):
    nlp = make_ner(toy)
    ner = nlp.get_pipe("clinical_ner")
    reference, predicted = (nlp.make_doc(NOTES[1][0]) for _ in range(2))
    drug, pain = predicted.char_span(0, 7, label="DRUG"), predicted.char_span(24, 28, label="PROBLEM")
    predicted.set_ents([drug, pain])
    predicted.spans[KEY] = [drug, pain]
    reference.spans["gold"] = [reference.char_span(18, 28, label="PROBLEM")]
    assert ner.score([Example(predicted, reference)])["ents_f"] is None
    reference._.annotated = {"clinical_ner": ("PROBLEM",)}
    scores = ner.score([Example(predicted, reference)])
    assert scores[f"spans_{KEY}_per_type"] == {"PROBLEM": {"p": 0, "r": 0, "f": 0}}
    assert scores[f"spans_{KEY}_overlap_f"] == 1 and scores[f"spans_{KEY}_f"] == 0
    reference._.annotated = {"clinical_ner": ()}
    assert ner.score([Example(predicted, reference)])[f"spans_{KEY}_f"] is None
    assert ner.score([])[f"spans_{KEY}_f"] is None


def test_scorer_leaves_out_entities_of_other_components(toy):
    nlp = make_ner(toy)
    reference, predicted = (nlp.make_doc(NOTES[1][0]) for _ in range(2))
    for doc in (reference, predicted):
        doc.set_ents(
            [doc.char_span(18, 28, label="PROBLEM"), doc.char_span(0, 7, label="Chemical")][: 1 + (doc is predicted)]
        )
    example = Example(predicted, reference)
    right = {"p": 1, "r": 1, "f": 1}
    assert nlp.get_pipe("clinical_ner").score([example])["ents_per_type"] == {"PROBLEM": right}
    # The other way round: gold of another component is not missed.
    assert nlp.get_pipe("clinical_ner").score([Example(reference, predicted)])["ents_per_type"] == {"PROBLEM": right}


def test_scorer_leaves_out_entities_of_several_parts(toy):
    nlp = make_ner(toy)
    reference, predicted = (nlp.make_doc(NOTES[0][0]) for _ in range(2))
    scattered, fever = (reference.char_span(start, 39, label="PROBLEM") for start in (19, 34))
    attributes = [{"parts": ((19, 24), (34, 39))}, {}]
    reference.spans["gold"] = SpanGroup(
        reference, name="gold", spans=[scattered, fever], attrs={"attributes": attributes}
    )
    predicted.spans[KEY] = [predicted.char_span(*place, label="PROBLEM") for place in ((19, 24), (34, 39))]
    scores = nlp.get_pipe("clinical_ner").score([Example(predicted, reference)])
    assert scores[f"spans_{KEY}_per_type"] == {"PROBLEM": {"p": 1, "r": 1, "f": 1}}
