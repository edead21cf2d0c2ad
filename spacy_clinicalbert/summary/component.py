"""The component `clinical_summary`: the sentences of a note that say most of it, within a budget of words."""

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from numpy import ndarray
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from ..corpora.docs import install_extensions
from ..corpora.missing import may_learn
from ..pipeline.head import Head
from ..pipeline.section_titles import Titles, load_table
from .choice import choose
from .features import make_features
from .model import Notes, SentenceScores
from .oracle import find_oracle
from .scorer import score_summaries
from .sentences import Sentences, find_sentences

SUMMARY = "summary"  # the span group
SALIENCE = "salience"  # in its attrs: a number for each of its spans


class Chosen(NamedTuple):
    """What was chosen in one note, in its order.

    places (ndarray): Tokens, first and behind the last, (n_chosen, 2).
    sections (List[str]): The label of the section of each.
    salience (List[float]): What the model gave each.
    """

    places: ndarray
    sections: List[str]
    salience: List[float]


def install_getter() -> None:
    """Declare `doc._.summary`."""
    if not Doc.has_extension("summary"):
        Doc.set_extension("summary", getter=find_summary)


def find_summary(doc: Doc) -> Optional[List[Span]]:
    """What stands behind `doc._.summary`: the spans of `doc.spans["summary"]`, in the order of the note.

    RETURNS (Optional[List[Span]]): None where no component has summarised the note.
    """
    return list(doc.spans[SUMMARY]) if SUMMARY in doc.spans else None


class ClinicalSummary(Head):
    """Summarises notes by sentences of their own, unchanged. `doc.spans["summary"]` has them in the note's order, each with the label of its section, and
    `attrs["salience"]` what the model gave each; `doc._.summary` is the list of these spans.

    With the model `SentenceCentroid.v1` there is nothing to train. With `SentenceScorer.v1` it learns from `doc._.reference_summary` of the references; a reference
    without one, or whose `doc._.annotated` names the component with no label, is missing and gives no gradient.

    vocab (Vocab): The pipeline's vocabulary.
    model (Model[Notes, SentenceScores]): As `summary.model` makes it.
    name (str): The component's name.
    max_words (int): The budget; see `choice.choose` for what happens to longer sentences.
    balance (float): Salience against redundancy, 0 to 1.
    max_similarity (float): What is more similar than this to a chosen sentence is never chosen.
    scorer (Optional[Callable]): The scoring method.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Notes, SentenceScores],
        name: str = "clinical_summary",
        *,
        max_words: int = 60,
        balance: float = 0.7,
        max_similarity: float = 0.95,
        scorer: Optional[Callable] = score_summaries,
    ) -> None:
        if max_words < 1 or not 0 <= balance <= 1:
            raise ValueError(
                f"'{name}' has max_words = {max_words} and balance = {balance}: set max_words to 1 or more, balance between 0 and 1."
            )
        install_extensions()
        install_getter()
        self.vocab = vocab
        self.model = model
        self.name = name
        self.max_words = max_words
        self.balance = balance
        self.max_similarity = max_similarity
        self.scorer = scorer
        self.titles = Titles(load_table())
        # The sections that have a column among the features, as they were when it was initialised.
        self.cfg: Dict[str, Any] = {"sections": []}

    @property
    def learns(self) -> bool:
        """Whether the model has anything to train."""
        return bool(self.model.has_ref("score"))

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None, labels: Any = None
    ) -> None:
        """Make the model's weights.

        get_examples (Callable[[], Iterable[Example]]): Gives examples.
        nlp (Optional[Language]): The pipeline.
        labels (Any): Is not used.
        """
        self.cfg["sections"] = list(self.titles.table["titles"])
        sample = [example.predicted for example, _ in zip(get_examples(), range(10))]
        self.model.initialize(X=self._notes(sample, [find_sentences(doc, self.titles) for doc in sample]))

    def predict(self, docs: Iterable[Doc]) -> List[Chosen]:
        """Choose sentences, without changing the Docs.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[Chosen]): One for each.
        """
        docs = list(docs)
        if not docs:
            return []
        sentences = [find_sentences(doc, self.titles) for doc in docs]
        given = self.model.predict(self._notes(docs, sentences))
        found = []
        for each, scores, vectors in zip(sentences, given.scores, given.vectors):
            salience = self.model.ops.to_numpy(scores)
            numbers = choose(
                salience,
                self.model.ops.to_numpy(vectors),
                each.words,
                each.keys,
                max_words=self.max_words,
                balance=self.balance,
                max_similarity=self.max_similarity,
            )
            sections = [each.sections[i] for i in numbers]
            found.append(Chosen(each.places[numbers], sections, salience[numbers].tolist()))
        return found

    def set_annotations(self, docs: Iterable[Doc], found: Sequence[Chosen]) -> None:
        """Write the span group.

        docs (Iterable[Doc]): The documents.
        found (Sequence[Chosen]): As `predict` gave it.
        """
        for doc, chosen in zip(docs, found):
            spans = [
                Span(doc, start, end, label) for (start, end), label in zip(chosen.places.tolist(), chosen.sections)
            ]
            doc.spans[SUMMARY] = SpanGroup(doc, name=SUMMARY, spans=spans, attrs={SALIENCE: chosen.salience})

    def read_targets(self, examples: List[Example]) -> Optional[Tuple[List[Sentences], List[List[int]]]]:
        """RETURNS (Optional[Tuple[List[Sentences], List[List[int]]]]): Each note's sentences, and which of them the oracle chooses for its
        reference summary; None where no reference has one."""
        if not self.learns or not any(self._reference(example) for example in examples):
            return None
        sentences = [find_sentences(example.predicted, self.titles) for example in examples]
        oracles = [self._oracle(example, each) for example, each in zip(examples, sentences)]
        return (sentences, oracles) if any(oracles) else None

    def learn(self, examples: List[Example], targets: Tuple[List[Sentences], List[List[int]]]) -> float:
        """RETURNS (float): The loss: the cross-entropy of a softmax over each note's sentences."""
        sentences, oracles = targets
        given, backprop = self.model.begin_update(self._notes([example.predicted for example in examples], sentences))
        losses, d_scores = zip(*map(_loss, map(self.model.ops.to_numpy, given.scores), oracles))
        backprop([self.model.ops.asarray1f(each) for each in d_scores])  # type: ignore[arg-type]
        return sum(losses)

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The scores, see `scorer.score_summaries`."""
        return {} if self.scorer is None else self.scorer(list(examples), reference=self._reference, **settings)

    def _reference(self, example: Example) -> Optional[str]:
        return example.reference._.reference_summary if may_learn(example, self.name) else None

    def _notes(self, docs: List[Doc], sentences: List[Sentences]) -> Notes:
        labels = self.cfg["sections"]
        features = [make_features(doc, each, labels) for doc, each in zip(docs, sentences)]
        return Notes(docs, [each.places for each in sentences], features)

    def _oracle(self, example: Example, sentences: Sentences) -> List[int]:
        reference = self._reference(example)
        if not reference:
            return []
        texts = [example.predicted[start:end].text for start, end in sentences.places.tolist()]
        return find_oracle(texts, reference, sentences.words.tolist(), self.max_words)


def _loss(scores: ndarray, oracle: List[int]) -> Tuple[float, ndarray]:
    """The cross-entropy of a note's scores, and its gradient: zero where nothing is known."""
    if not oracle:
        return 0.0, numpy.zeros(scores.shape, dtype="f")
    shifted = scores - scores.max()
    logs = shifted - numpy.log(numpy.exp(shifted).sum())
    wanted = numpy.zeros(scores.shape, dtype="f")
    wanted[oracle] = 1 / len(oracle)
    return float(-(wanted * logs).sum()), (numpy.exp(logs) - wanted).astype("f")
