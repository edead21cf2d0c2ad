"""What the trainable components here have in common."""

from typing import Iterable, Iterator, List

from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.util import minibatch

from ..retry import or_apart


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
