"""The labels of a pipeline's components, from the whole of its corpora: an endless stream initialises from its first 100 examples."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Set

import srsly
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.util import load_model_from_config, registry, resolve_dot_names
from thinc.api import Config, Optimizer

from ..corpora.missing import EVERYTHING, may_learn
from ..corpora.mixed import MixedCorpora


def find_labels(config: Config) -> Dict[str, Any]:
    """Read the training corpus, and find what each component can learn from it.

    config (Config): A training config, without its variables filled in. Labels that its `[initialize]` names are not asked.
    RETURNS (Dict[str, Any]): Component → its labels, in the form that its `initialize` takes. Components that do not train, or come
        from another pipeline with their labels, are not here.
    RAISES (ValueError): A component finds none.
    """
    config = config.copy()
    for settings in config.get("initialize", {}).get("components", {}).values():
        settings.pop("labels", None)
    brought = [name for name, settings in config["components"].items() if "source" in settings]
    nlp = load_model_from_config(config, auto_fill=True)
    filled = nlp.config.interpolate()
    settings = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(filled, [settings["train_corpus"]])
    examples = list(corpus.whole(nlp) if isinstance(corpus, MixedCorpora) else corpus(nlp))
    heads = [name for name, pipe in nlp.pipeline if getattr(pipe, "label_data", None) is not None]
    found: Dict[str, Any] = {}
    for name in heads:
        if name not in brought and name not in settings["frozen_components"]:
            with nlp.select_pipes(disable=[other for other in heads if other != name]):
                found[name] = _labels_of(nlp, name, examples, settings["optimizer"])
            if isinstance(corpus, MixedCorpora) and isinstance(found[name], (list, tuple)):
                wanted = _stated(corpus, name)
                found[name] = [label for label in found[name] if wanted is None or label in wanted]
    return found


def write_labels(config: Config, output: Path) -> Dict[str, Path]:
    """Write the labels of `find_labels`, in the form that `spacy.read_labels.v1` reads.

    config (Config): See there.
    output (Path): The folder, which gets COMPONENT.json for each.
    RETURNS (Dict[str, Path]): Component → file.
    """
    found = find_labels(config)
    output.mkdir(parents=True, exist_ok=True)
    files = {name: output / f"{name}.json" for name in found}
    for name, path in files.items():
        srsly.write_json(path, found[name])
    return files


def _labels_of(nlp: Language, name: str, examples: List[Example], optimizer: Optimizer) -> Any:
    own = [example for example in examples if may_learn(example, name)]
    if not own:
        raise ValueError(
            f"No note is annotated for '{name}'. Name a corpus that is, or take the component out, or freeze it."
        )
    nlp.initialize(lambda: own, sgd=optimizer)
    return nlp.get_pipe(name).label_data  # type: ignore[attr-defined]


def _stated(corpus: MixedCorpora, name: str) -> Optional[Set[str]]:
    """The labels that corpora are stated to have for a component; None where one of them has all."""
    stated = [labels[name] for labels in corpus.annotated.values() if name in labels]
    return None if EVERYTHING in stated else {label for labels in stated for label in labels}
