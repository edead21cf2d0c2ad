"""The spaCy component that encodes notes."""

import logging
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Set, Tuple, Union, cast

from spacy import util
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from spacy_transformers import FullTransformerBatch, Transformer, install_extensions
from spacy_transformers.annotation_setters import null_annotation_setter
from spacy_transformers.layers import TransformerListener
from thinc.api import Model, Optimizer
from thinc.types import Floats2d

from ..retry import or_apart
from .cache import WindowCache
from .data import TOKENS, EncodedDoc, gradient_arrays, without_encoder
from .listener import ClinicalBertListener
from .model import predict_rows, publish
from .pending import PendingUpdate
from .plan import plan_docs
from .shim import EncoderShim, shim_of
from .stream import Planned, encode_ahead, gather

logger = logging.getLogger(__name__)

LEAST_ITEMS = {"max_batch_items": 1, "max_update_items": 1, "max_buffer_items": 1, "max_cache_items": 0}
MAX_TOKENISED = 32  # Docs at a time: enough for the tokenizer's threads, and a buffer ends near its size


class ClinicalBert(Transformer):
    """Encodes notes of any length and publishes one vector a token, and one a window, as `doc._.trf_data`, which this
    project's listeners and spacy-transformers' read.

    vocab (Vocab): The pipeline's vocabulary.
    model (Model[List[Doc], FullTransformerBatch]): As `encoder.model.Encoder` makes it.
    set_extra_annotations (Callable): Called with the Docs and the batch after the vectors are set.
    name (str): The component's name in the pipeline.
    max_batch_items (int): The most positions of a forward pass, padding and special tokens included. CPUs are fastest
        with about a thousand, whose activations stay in their caches; a GPU wants many times that.
    max_update_items (int): The most positions of an update that keep their activations for the backward; what
        is beyond is computed twice. It bounds the memory of training.
    max_buffer_items (int): `pipe` gathers Docs until they have this many wordpieces. The vectors of two buffers are held at
        once, 4 bytes times the encoder's width for each wordpiece.
    max_cache_items (int): The most wordpieces whose vectors are held for windows that come again in a later buffer
        or batch, at the same price; 0 holds none. A window counts for one more. To train heads on a frozen encoder, set it
        a little above the wordpieces of the corpus: from the second epoch on, the encoder has nothing to do.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], FullTransformerBatch],
        set_extra_annotations: Callable = null_annotation_setter,
        *,
        name: str = "clinicalbert",
        max_batch_items: int = 1024,
        max_update_items: int = 8192,
        max_buffer_items: int = 32768,
        max_cache_items: int = 65536,
    ):
        shim_of(model)
        super().__init__(vocab, model, set_extra_annotations, name=name, max_batch_items=max_batch_items)
        self.cfg.update(max_update_items=max_update_items, max_buffer_items=max_buffer_items)
        self.cfg["max_cache_items"] = max_cache_items
        for key, least in LEAST_ITEMS.items():
            if self.cfg[key] < least:
                raise ValueError(f"{key} of '{name}' is {self.cfg[key]}; set it to {least} or more.")
        model.attrs.update({key: self.cfg[key] for key in ("max_batch_items", "max_update_items")})
        self.shim.cache = WindowCache(max_cache_items)
        self._update: Optional[PendingUpdate] = None
        self._warned = False
        self._names: Set[str] = set()  # that this encoder has had, in pipelines that it was sourced from too
        self._strangers: Set[Tuple[str, str]] = set()  # heads and the encoders that they were made for, once warned of

    @property
    def shim(self) -> EncoderShim:
        """What holds and trains the network, and chooses the engine that predicts."""
        return shim_of(self.model)

    @property
    def listener_map(self) -> Dict[str, List[TransformerListener]]:  # type: ignore[override]
        """The listeners by their components. spaCy empties it, and finds them anew, whenever the pipeline changes."""
        return self._listener_map

    @listener_map.setter
    def listener_map(self, found: Dict[str, List[TransformerListener]]) -> None:
        self._listener_map = found
        self._bound: List[Any] = []
        self._is_nearest = True

    def add_listener(self, listener: TransformerListener, component_name: str) -> None:
        """Link a head's listener; one with the upstream "*" only where no other encoder is nearer. Usually internal."""
        if listener.upstream_name == "*" and not self._is_nearest:
            self.remove_listener(listener, component_name)
            if isinstance(listener, ClinicalBertListener):
                listener.upstream_ids.discard(self.model.id)
            return
        super().add_listener(listener, component_name)
        if isinstance(listener, ClinicalBertListener):
            listener.upstream_ids.add(self.model.id)

    def find_listeners(self, component: Any) -> None:
        """Link what a component behind this one reads: listeners in its model, or, if it has `bind_encoder`, the network
        itself. Usually internal; spaCy calls it whenever the pipeline changes and when it is loaded, with each component
        behind this one in their order."""
        if component is self:
            self._is_nearest = True  # `initialize` begins with itself
        elif isinstance(component, ClinicalBert):
            self._is_nearest = False
        super().find_listeners(component)
        self._match_width(component)
        self._note_listeners(component)
        if hasattr(component, "bind_encoder"):
            component.bind_encoder(self)
            if component not in self._bound:
                self._bound.append(component)

    def _match_width(self, component: Any) -> None:
        """Give the listeners of a head without weights this encoder's width, in place of that of one which was nearer before."""
        listeners = self.listener_map.get(getattr(component, "name", ""), [])
        if listeners and self.model.has_dim("nO") and not _has_weights(component.model):
            for listener in listeners:
                listener.set_dim("nO", self.model.get_dim("nO"), force=True)

    def _note_listeners(self, component: Any) -> None:
        """Note in the listeners of a head that this encoder feeds them, and warn where the head has learned from another one: spaCy links pipelines that are loaded without
        the nearest encoder as if there were none."""
        self._names.add(self.name)
        head = getattr(component, "name", "")
        for listener in self.listener_map.get(head, []):
            if not isinstance(listener, ClinicalBertListener):
                continue
            learned_from = listener.attrs["encoder"]
            if not learned_from or learned_from in self._names or not _has_weights(component.model):
                listener.attrs["encoder"] = self.name
            elif (head, learned_from) not in self._strangers:
                self._strangers.add((head, learned_from))
                logger.warning(
                    "'%s' has learned from the vectors of the encoder '%s', and gets those of '%s' now, which mean something else to it. If '%s' was "
                    "disabled or left out when the pipeline was loaded, load it too; if '%s' is to learn from '%s', go on and train it.",
                    head,
                    learned_from,
                    self.name,
                    learned_from,
                    head,
                    self.name,
                )

    def trains_on(self, docs: List[Doc]) -> bool:
        """Whether an update with these Docs is under way, so that a component that runs the network by itself is to give it a gradient: not
        where the encoder is frozen.

        docs (List[Doc]): The predicted Docs of a batch.
        RETURNS (bool): Whether it is.
        """
        return self._update is not None and self._update.batch_id == ClinicalBertListener.get_batch_id(docs)

    def take_gradient(self, squared_norm: float) -> None:
        """Note that a component has run a backward through the network, after which weights have a gradient. Each does this once in an update, when
        its own forward and backward are over: the step may follow at once.

        squared_norm (float): Of the gradient that went in, for the losses.
        """
        if self._update is not None:
            self._update.losses[self.name] += squared_norm
            self._update.count()
            if self._update.sgd is not None and self._update.n_silent == 0:
                self._finish_pending()

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Encode a stream of Docs, in their order. They are buffered until they have max_buffer_items wordpieces, so
        that windows of like length share a pass, and windows that are equal are encoded once. While the components
        behind this one work on a buffer, the next one is encoded in a thread: the first Doc comes out when two buffers have
        gone in, and who calls the encoder in between waits for the buffer.

        batch_size (int): The most Docs to tokenise at a time.
        YIELDS (Doc): Each Doc with its vectors. One that fails goes to the error handler, alone of its batch.
        """
        install_extensions()
        n_docs, n_pieces = min(batch_size, MAX_TOKENISED), self.cfg["max_buffer_items"]
        buffers = gather(stream, partial(self._or_apart, self._plan), n_docs, n_pieces)
        yield from encode_ahead(buffers, self._start, self._publish)

    def _start(self, buffer: List[Planned], is_wanted: Callable[[], bool]) -> Callable[[], Any]:
        """What encodes a buffer, in another thread. What must not happen there is done now."""
        self._take_put_off_step()
        self.shim.make_predictor()
        return partial(predict_rows, self.model, [plan for _, plan in buffer], is_wanted)

    def _publish(self, buffer: List[Planned], vectors: Future) -> List[Doc]:
        def encode(planned: List[Planned]) -> List[Doc]:
            whole = planned is buffer
            found = vectors.result() if whole else predict_rows(self.model, [plan for _, plan in planned])
            docs = [doc for doc, _ in planned]
            self.set_annotations(docs, publish(self.model, docs, *found))
            return docs

        return self._or_apart(encode, buffer)

    def _plan(self, docs: List[Doc]) -> List[Planned]:
        return list(zip(docs, plan_docs(self.model, docs)))

    def _or_apart(self, function: Callable[[List], List], items: List) -> List:
        def fail(item: Union[Doc, Planned], err: Exception) -> None:
            self.get_error_handler()(self.name, self, [item if isinstance(item, Doc) else item[0]], err)

        return or_apart(function, items, fail)

    def predict(self, docs: Iterable[Doc]) -> FullTransformerBatch:
        """Encode Docs without changing them.

        RETURNS (FullTransformerBatch): Has `doc_data`, one `EncodedDoc` a Doc.
        """
        self._take_put_off_step()
        return self.model.predict(list(docs))

    def set_annotations(self, docs: Iterable[Doc], predictions: FullTransformerBatch) -> None:
        """Publish the vectors on the Docs. Those of an encoder earlier in the pipeline stay for its listeners."""
        docs = list(docs)
        n_unread = 0
        for doc, data in zip(docs, predictions.doc_data):
            if isinstance(data, EncodedDoc):
                data.beneath = without_encoder(doc._.trf_data, data.encoder_id)
                n_unread += data.n_unread
        if n_unread and not self._warned:
            self._warned = True
            logger.warning(
                "'%s' met %d tokens whose characters its tokenizer deletes; their vectors are zeros. This is said "
                "once; doc._.trf_data.n_unread counts them for each document.",
                self.name,
                n_unread,
            )
        super().set_annotations(docs, predictions)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Encode a batch and hand the vectors to the listeners, which only add up their gradients here. The
        encoder's own backward runs in `finish_update`, which `spacy train` calls when all heads have been updated,
        or before the next update: whichever heads were silent or frozen, and whichever was the last.

        examples (Iterable[Example]): Only their predicted Docs are used.
        drop (float): Unused: the network's dropout is in its own config.
        sgd (Optional[Optimizer]): Unused, for the gradients come later; see `finish_update`.
        losses (Optional[Dict[str, float]]): Gets the squared norm of the gradients, under the component's name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ClinicalBert.update")
        self._finish_pending()
        docs = [example.predicted for example in examples]
        # Without a listener nobody would read the vectors.
        batch, backprop = self.model.begin_update(docs if self.listeners else [])
        width = self.model.get_dim("nO")
        pending = PendingUpdate(
            cast(Callable, backprop),
            len(self.listeners) + sum(component.encoder is self for component in self._bound),
            self.shim.has_gradient,
            ClinicalBertListener.get_batch_id(docs),
            losses,
        )

        def accumulate(d_arrays: List[Floats2d], reads: str) -> None:
            losses[self.name] += pending.add(d_arrays, reads)
            if pending.sgd is not None and pending.n_silent == 0:
                self._finish_pending()

        for listener in self.listeners:
            if isinstance(listener, ClinicalBertListener):
                listener.attrs["encoder"] = self.name
                callback: Callable = partial(accumulate, reads=listener.reads)
            else:
                callback = lambda d_datas: accumulate(  # noqa: E731
                    gradient_arrays(docs, d_datas, width, self.model.ops), TOKENS
                )
            listener.receive(listener.get_batch_id(docs), batch.doc_data, callback)
        self._update = pending
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Run the backward for the gradients that the heads have given, and step the weights.

        `nlp.update(examples, sgd=...)` calls this before the heads have run. Then the step is put off until all
        of them have given their gradients, or, where one stays silent, until the component is used next: weights
        must not move between a forward and its backward.
        """
        pending = self._update
        if pending is not None:
            gradient_is_older = pending.had_gradient or not self.shim.has_gradient
            if not pending.is_fed and gradient_is_older:
                pending.sgd = sgd
                return
            self._finish_pending()
        self.model.finish_update(sgd)

    def _finish_pending(self) -> None:
        pending, self._update = self._update, None
        if pending is not None:
            pending.backprop()
            if pending.sgd is not None:
                self.model.finish_update(pending.sgd)
            for listener in self.listeners:
                listener.receive(None, None, None)  # a silent head's would hold the batch

    def _take_put_off_step(self) -> None:
        """Take a step that waits for a silent head. Before any head has run there is none: components that
        annotate in training predict then."""
        if self._update is not None and self._update.sgd is not None and self._update.is_fed:
            self._finish_pending()

    def finish_put_off_update(self) -> bool:
        """Take the step that `finish_update` has put off, if there is one, before the weights are saved, copied or changed for others. Not within
        an update.

        RETURNS (bool): Whether there was one.
        """
        is_put_off = self._update is not None and self._update.sgd is not None
        if is_put_off:
            self._finish_pending()
        return is_put_off

    def use_params(self, params: Dict) -> Iterator[None]:  # type: ignore[override]
        """Take other weights for a while, as the optimiser's averages. A step that waits is taken before, of the weights that it is meant for.

        params (Dict): The weights by the ids of models and shims, and by name.
        """
        self.finish_put_off_update()
        yield from super().use_params(params)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """For copies, and processes that are spawned. A step that waits is taken before, for its backward cannot be copied."""
        self.finish_put_off_update()
        return super().__reduce_ex__(protocol)

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save to a folder. Its subfolder `model` is one that transformers' Auto classes open too. The settings
        stand in the pipeline's config, so that they can be overridden when the folder is loaded.

        exclude (Iterable[str]): Of "vocab" and "model".
        """
        self.finish_put_off_update()
        serialize = {
            "vocab": lambda p: self.vocab.to_disk(p),
            "model": lambda p: self.shim.to_disk(p),
        }
        util.to_disk(Path(path), serialize, exclude)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialise to bytes, weights and tokenizer included.

        exclude (Iterable[str]): Of "cfg", "vocab" and "model".
        """
        self.finish_put_off_update()
        return super().to_bytes(exclude=exclude)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "ClinicalBert":
        """Load what `to_disk` saved, without hub or network.

        exclude (Iterable[str]): Of "vocab" and "model".
        RAISES (ValueError): Names the file that is missing, damaged or foreign.
        """

        def load_model(path: Path) -> None:
            self.shim.from_disk(path)
            self.model.initialize()

        deserialize: Dict[str, Callable[[Path], Any]] = {
            "vocab": self.vocab.from_disk,
            "model": load_model,
        }
        util.from_disk(Path(path), deserialize, exclude)
        return self


def _has_weights(model: Model) -> bool:
    return any(node.has_param(name) for node in model.walk() for name in node.param_names)
