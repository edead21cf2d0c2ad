"""A question about a Doc that a pipeline has made."""

from typing import Any, Dict, List, Sequence, Union

from spacy.language import Language
from spacy.tokens import Doc

from .answers import Answer
from .component import ClinicalQA


def ask(
    doc: Doc, questions: Union[str, Dict[str, Any], Sequence[Union[str, Dict[str, Any]]]], nlp: Language
) -> List[Answer]:
    """Ask about a document, which stays as it is.

    doc (Doc): The document.
    questions (Union[str, Dict, Sequence]): One question or several, as in `doc._.questions`.
    nlp (Language): A pipeline with `clinical_qa`; of several, the first answers.
    RETURNS (List[Answer]): The answers, question by question, of each the best first. A question without an answer has none.
    RAISES (ValueError): The pipeline has no such component.
    """
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, ClinicalQA):
            return pipe.ask(doc, questions)
    raise ValueError(
        "The pipeline has no component clinical_qa, or it is disabled. Add and train one, as docs/questions.md says."
    )
