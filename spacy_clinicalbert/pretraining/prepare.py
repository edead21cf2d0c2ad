"""What must be there before the first step: the vocabulary, and the wordpieces of all text. Both stand in the cache and are
made once; several processes share them."""

import json
import logging
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from transformers import AutoTokenizer

from ..folders import make_once, whole_file
from .concepts import make_finder
from .config import Concepts, Pretraining, Source
from .texts import Reading, read_notes, source_state
from .tokens import TokenCache, open_tokens
from .vocabulary import base_tokenizer, learn_vocabulary, new_tokenizer, pieces_per_word, weighted

logger = logging.getLogger(__name__)


@dataclass
class Prepared:
    """What a run trains on.

    old (Optional[transformers.PreTrainedTokenizerFast]): The base's tokenizer; None where training starts from nothing.
    tokenizer (transformers.PreTrainedTokenizerFast): The tokenizer to train with.
    sources (Dict[str, TokenCache]): The wordpieces of the training text, by source.
    sets (Dict[str, TokenCache]): Those of the held-out sets.
    vocabulary (Dict[str, Any]): Wordpieces per word before and after, by held-out set.
    """

    old: Optional[Any]
    tokenizer: Any
    sources: Dict[str, TokenCache]
    sets: Dict[str, TokenCache]
    vocabulary: Dict[str, Any]


def prepare(config: Pretraining) -> Prepared:
    """Learn the vocabulary and cut all text into wordpieces, or open what an earlier run made of the same text and settings.

    RAISES (ValueError): A source has nothing that can be read.
    """
    cache = Path(config.corpus.cache)
    old = base_tokenizer(config.encoder)
    tokenizer = _vocabulary(config, old, cache)
    seed = config.pretraining.seed

    def tokens(sources: Dict[str, Source], concepts: Concepts) -> Dict[str, TokenCache]:
        finder = make_finder(concepts)
        return {name: open_tokens(name, each, tokenizer, cache, *finder, seed) for name, each in sources.items()}

    concepts = config.corpus.concepts
    # In training text they are looked for only where they are masked.
    sources = tokens(config.corpus.sources, concepts if config.objective.units == "concepts" else Concepts())
    sets = tokens(config.validation.sets, concepts)
    return Prepared(old, tokenizer, sources, sets, _report(config, old, tokenizer, cache))


def _vocabulary(config: Pretraining, old: Optional[Any], cache: Path) -> Any:
    settings = config.vocabulary
    if settings.mode == "keep":
        if old is None:
            raise ValueError('Training from nothing has no vocabulary yet: set mode = "replace" in [vocabulary].')
        return old
    base = old or new_tokenizer(bool(config.encoder.lowercase))
    sources = [
        [name, source.model_dump(), source_state(name, source)] for name, source in config.corpus.sources.items()
    ]
    key = json.dumps([settings.model_dump(), base.backend_tokenizer.to_str(), sources])
    folder = cache / f"vocabulary-{sha256(key.encode()).hexdigest()[:12]}"

    def learn(part: Path) -> None:
        learned = learn_vocabulary(base, _training_notes(config), settings)
        learned.save_pretrained(part)
        logger.info("A vocabulary of %d wordpieces", len(learned))

    make_once(folder, learn)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def _training_notes(config: Pretraining) -> Iterator[str]:
    for name, source in config.corpus.sources.items():
        for note in weighted(read_notes(name, source, Reading()), source.weight):
            yield note.replace(source.hole, " ") if source.hole else note


def _report(config: Pretraining, old: Optional[Any], tokenizer: Any, cache: Path) -> Dict[str, Any]:
    """Wordpieces per word on held-out notes, before and after; what was counted is kept in the cache."""
    report: Dict[str, Any] = {"size": len(tokenizer), "base_size": len(old) if old else 0, "sets": {}}
    for name, source in config.validation.sets.items():
        key = json.dumps(
            [
                source_state(name, source),
                source.model_dump(),
                [t and t.backend_tokenizer.to_str() for t in (old, tokenizer)],
            ]
        )
        path = cache / f"{name}-words-{sha256(key.encode()).hexdigest()[:12]}.json"
        if not path.is_file():
            notes = [note.replace(source.hole or "\0", " ") for note in read_notes(name, source, Reading())]
            counts = {"after": pieces_per_word(tokenizer, notes), "before": old and pieces_per_word(old, notes)}
            with whole_file(path) as part:
                part.write_text(json.dumps(counts), encoding="utf8")
        report["sets"][name] = json.loads(path.read_text(encoding="utf8"))
    return report
