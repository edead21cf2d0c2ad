"""A run up to its checkpoint once more, without the work: spaCy's training loop keeps its step, schedules, results and the order of
the data to itself, and is led through them."""

import random
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple
from zlib import crc32

from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.errors import Errors
from spacy.language import Language
from spacy.training import Example

from ..corpora.docs import install_extensions
from .checkpoint import Checkpoint, Progress, RunError, as_random_state

Batch = List[Example]


class Replay:
    """Stands in for the pipeline in `spacy.training.loop.train_while_improving`. Until it is live, updates do nothing, and evaluations
    give what they gave.

    nlp (Language): The pipeline.
    checkpoint (Optional[Checkpoint]): What is led up to; None is live from the beginning.
    """

    def __init__(self, nlp: Language, checkpoint: Optional[Checkpoint]) -> None:
        self.nlp = nlp
        self.live = checkpoint is None
        self.evaluations = [] if checkpoint is None else list(checkpoint.progress.evaluations)

    @property
    def pipeline(self) -> List[Tuple[str, Any]]:
        """The components that finish an update."""
        return self.nlp.pipeline if self.live else []

    @property
    def pipe_names(self) -> List[str]:
        """The components' names, for errors."""
        return self.nlp.pipe_names

    def update(self, examples: Batch, **settings: Any) -> None:
        """Update the pipeline, if live."""
        if self.live:
            self.nlp.update(examples, **settings)

    def use_params(self, params: Optional[Dict]) -> Any:
        """Take averaged weights for a while."""
        return self.nlp.use_params(params)

    def evaluate(self, examples: Iterable[Example]) -> Dict[str, Any]:
        """Evaluate the pipeline, or give the scores of the evaluation that comes next."""
        if self.live:
            return self.nlp.evaluate(examples)
        if not self.evaluations:
            raise RunError("The checkpoint lacks an evaluation: it is damaged. Begin a new run in another folder.")
        return self.evaluations[0].scores

    def fill(self, info: Dict[str, Any], is_evaluation: bool) -> None:
        """Give a step that is replayed what was shown of it.

        info (Dict[str, Any]): spaCy's, changed in place.
        is_evaluation (bool): Whether the step was evaluated.
        """
        if is_evaluation:
            evaluation = self.evaluations.pop(0)
            info["losses"].update(evaluation.losses)
            info["seconds"] = evaluation.seconds


class DataOrder:
    """The batches of a run, as `spacy train` makes them, with what is needed to make them again.

    checkpoint (Optional[Checkpoint]): What is led up to.
    """

    def __init__(self, checkpoint: Optional[Checkpoint]) -> None:
        self.digest = Progress().digest
        # `random.getstate()` at the beginning of each epoch.
        self.epochs: List[Any] = []
        self._saved = [] if checkpoint is None else checkpoint.random["epochs"]

    def batches(
        self,
        nlp: Language,
        corpus: Callable[[Language], Iterable[Example]],
        batcher: Callable[[Iterable[Example]], Iterable[Batch]],
        max_epochs: int,
    ) -> Iterator[Tuple[int, Batch]]:
        """See `spacy.training.loop.create_train_batches`.

        nlp (Language): The pipeline.
        corpus (Callable): The training corpus.
        batcher (Callable): Cuts examples into batches.
        max_epochs (int): 0 goes on for ever; -1 too, with examples that are read anew in each epoch instead of shuffled.
        YIELDS (Tuple[int, List[Example]]): Epoch and batch.
        RAISES (ValueError): The corpus has no examples.
        """
        examples: Iterable[Example] = list(corpus(nlp)) if max_epochs >= 0 else ()
        while max_epochs < 1 or len(self.epochs) != max_epochs:
            epoch, is_empty = len(self.epochs), True
            if epoch < len(self._saved):
                random.setstate(as_random_state(self._saved[epoch]))
            self.epochs.append(random.getstate())
            if max_epochs >= 0:
                random.shuffle(examples)  # type: ignore[arg-type]
            else:
                examples = corpus(nlp)
            for batch in batcher(examples):
                is_empty = False
                for example in batch:
                    self.digest = digest_of(example, self.digest)
                yield epoch, batch
            if is_empty:
                raise ValueError(Errors.E986)


def digest_of(example: Example, value: int = 0) -> int:
    """A number for the text and annotation of an example, and all before it: entities, categories, span groups with their attributes, questions, reference summary, and
    what is annotated at all.

    value (int): That of the examples before.
    RETURNS (int): 32 bits.
    """
    reference = example.reference
    entities = reference.to_array([ENT_IOB, ENT_TYPE]).tobytes()
    groups = [
        (name, [(span.start, span.end, span.label_) for span in group], dict(group.attrs))
        for name, group in sorted(reference.spans.items())
    ]
    install_extensions()  # a corpus of spaCy's own knows nothing of them
    stated = [reference._.get(name) for name in ("annotated", "questions", "reference_summary")]
    for part in (sorted(reference.cats.items()), groups, stated):
        value = crc32(repr(part).encode(), value)
    return crc32(entities, crc32(reference.text.encode(), value))
