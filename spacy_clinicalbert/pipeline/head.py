"""What the trainable components here have in common."""

import logging
from typing import Any, Dict, Iterable, Iterator, List, Optional

from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from thinc.api import Optimizer, set_dropout_rate

from ..encoder.listener import lacks_vectors
from ..retry import or_apart

logger = logging.getLogger(__name__)


class Head(TrainablePipe):
    """A trainable component over token vectors. With `nlp.set_error_handler`, a note that it fails on is lost alone, where spaCy's own
    components lose the whole batch."""

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate a stream of Docs, in their order.

        stream (Iterable[Doc]): The documents.
        batch_size (int): How many at a time.
        YIELDS (Doc): Each of them. One that fails goes to the error handler, alone of its batch.
        """
        handle = self.get_error_handler()

        def annotate(docs: List[Doc]) -> List[Doc]:
            self.set_annotations(docs, self.predict(docs))
            return docs

        for docs in minibatch(stream, size=batch_size):
            yield from or_apart(annotate, list(docs), lambda doc, err: handle(self.name, self, [doc], err))

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from examples. Where none is annotated for this component nothing changes.

        examples (Iterable[Example]): A batch.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): Called after the backward.
        losses (Optional[Dict[str, float]]): Takes the loss under the component's name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        targets = self.read_targets(examples)
        if targets is None:
            return losses
        set_dropout_rate(self.model, drop)
        losses[self.name] += self.learn(examples, targets)
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    def require_own_spans(self, nlp: Optional[Language]) -> None:
        """Raise ValueError if another component of the pipeline writes the span group of this one, which would take its spans."""
        key = self.cfg["spans_key"]
        for name, pipe in nlp.pipeline if nlp else ():
            if pipe is not self and isinstance(pipe, Head) and getattr(pipe, "cfg", {}).get("spans_key") == key:
                raise ValueError(
                    f"'{self.name}' and '{name}' both write doc.spans[\"{key}\"], and one would erase what the other found. Give one of them another "
                    'spans_key, as nlp.add_pipe(..., config={"spans_key": ...}).'
                )

    def warn_of_strangers(self, settings: Iterable[str]) -> None:
        """Log the labels that settings of the config name, and that the component does not have: a misspelt one would change nothing, in silence.

        settings (Iterable[str]): Their names in `cfg`, each of a dict whose keys are labels.
        """
        for setting in settings:
            strange = sorted(set(self.cfg[setting]) - set(self.labels))
            if strange:
                logger.warning(
                    "'%s' has %s for %s, and no such label. Its labels are %s.",
                    self.name,
                    setting,
                    ", ".join(strange),
                    ", ".join(self.labels),
                )

    def require_vectors(self, docs: Iterable[Doc]) -> None:
        """Raise ValueError if Docs that went through the pipeline have not the vectors that the model reads."""
        if lacks_vectors(self.model, docs):
            raise ValueError(
                f"To score or to calibrate, '{self.name}' reads the encoder's vectors behind the pipeline's end, and they are not there. If it has a "
                'doc_cleaner, take that out, or off for this: nlp.disable_pipe("doc_cleaner"). Else run the whole pipeline first.'
            )

    def read_targets(self, examples: List[Example]) -> Any:
        """RETURNS (Any): What the examples' references teach; None where none of them is annotated."""
        raise NotImplementedError

    def learn(self, examples: List[Example], targets: Any) -> float:
        """The forward pass of a batch, and the backward pass of its loss.

        examples (List[Example]): The batch.
        targets (Any): As `read_targets` gave it.
        RETURNS (float): The loss.
        """
        raise NotImplementedError
