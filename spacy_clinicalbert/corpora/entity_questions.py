"""Questions whose answers are a note's annotated entities: "Which drugs are named?" A note has several of one label, or none."""

from typing import Any, Callable, Dict, Iterable, Iterator, List

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from .docs import ATTRIBUTES, GOLD, Reader, install_extensions
from .missing import known_labels, may_learn
from .questions import UNANSWERABLE, to_ask
from .squad import ANSWER

ABSENT = "absent_label"  # why a question has no answer


def read_entity_questions(
    reader: Callable[[Language], Iterable[Example]], questions: Dict[str, str], n_answers: int = 20
) -> Reader:
    """The registered reader `spacy-clinicalbert.entity_questions.v1`: of another reader's notes, questions about the entities in `doc.spans["gold"]`. A label that a
    note does not have is a question without an answer, so its corpus must be annotated for all of the labels throughout; notes that are not annotated for `clinical_ner` are
    left out, and of those that are annotated for some labels, the questions about others. Of a note that has lost entities, or is annotated in part, no question is without an answer:
    nobody knows.

    reader (Callable[[Language], Iterable[Example]]): The other reader, such as `spacy-clinicalbert.brat.v1`.
    questions (Dict[str, str]): Label → what to ask, {"Medication": "Which drugs are named?"}.
    n_answers (int): The most answers to give to each.
    RETURNS (Callable[[Language], Iterator[Example]]): Yields the Examples, with the questions in the predicted Docs too.
    """
    install_extensions()

    def examples(nlp: Language) -> Iterator[Example]:
        for example in reader(nlp):
            reference = example.reference
            if GOLD not in reference.spans or not may_learn(example, "clinical_ner"):
                continue
            known = known_labels(reference, "clinical_ner", questions)
            lost = _has_lost(reference)
            asked: List[Dict[str, Any]] = []
            spans, attributes = [], []
            for label, question in questions.items():
                if label not in known:
                    continue
                found = [span for span in reference.spans[GOLD] if span.label_ == label]
                if lost and not found:
                    continue
                row = {"id": label, "question": question, "n_answers": n_answers}
                asked.append(row if found else {**row, UNANSWERABLE: ABSENT})
                for span in found:
                    spans.append(Span(reference, span.start, span.end, label=ANSWER))
                    attributes.append({"question": label})
            reference.spans[GOLD] = SpanGroup(reference, name=GOLD, spans=spans, attrs={ATTRIBUTES: attributes})
            reference._.questions = tuple(asked)
            # What else the note is annotated for stands in its entities, which are answers now.
            reference._.annotated = {**(reference._.annotated or {}), "clinical_ner": (), "ner": (), "spancat": ()}
            example.predicted._.questions = to_ask(asked)
            yield example

    return examples


def _has_lost(reference: Doc) -> bool:
    """Whether tokens outside of gold spans have missing annotation: those of entities that could not be kept, see `docs.to_docs`."""
    if not reference.has_annotation("ENT_IOB"):
        return False
    kept = {i for span in reference.spans[GOLD] for i in range(span.start, span.end)}
    return any(token.ent_iob == 0 and token.i not in kept for token in reference)
