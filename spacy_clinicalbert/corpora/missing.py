"""What a corpus is annotated for, component by component, in training on several corpora together. What it is not annotated for is
missing, which is not the same as negative."""

import logging
from typing import Dict, Iterable, List, Set, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from .docs import install_extensions

logger = logging.getLogger(__name__)

EVERYTHING = "*"
# spaCy's heads that take missing annotation for negative, and what to take instead.
INSTEAD = {"textcat": "textcat_multilabel", "spancat": "clinical_ner", "spancat_singlelabel": "clinical_ner"}

Stated = Dict[str, Union[str, List[str]]]  # component → its labels that a corpus annotates, or EVERYTHING


class Annotated:
    """What some corpora are annotated for, and whether the pipeline's components can take the rest for missing.

    nlp (Language): The pipeline. Its frozen components learn nothing, and may be of any kind.
    corpora (Dict[str, Stated]): Corpus → what it is annotated for.
    RAISES (ValueError): A component is not in the pipeline, or would take what is missing for negative.
    """

    def __init__(self, nlp: Language, corpora: Dict[str, Stated]) -> None:
        install_extensions()
        self.corpora = corpora
        self.components = nlp.component_names
        frozen = nlp.config.interpolate()["training"]["frozen_components"]
        # Component that learns → its factory.
        self.learning = {name: nlp.get_pipe_meta(name).factory for name in nlp.pipe_names if name not in frozen}
        self.labels = {name: _plain_labels(nlp, name) for name in self.learning}
        for corpus, stated in corpora.items():
            self._check_stated(corpus, stated)
        for name, factory in self.learning.items():
            self._check_head(name, factory)

    def _check_stated(self, corpus: str, stated: Stated) -> None:
        unknown = sorted(set(stated) - set(self.components))
        if unknown:
            raise ValueError(
                f"The corpus '{corpus}' is said to be annotated for {', '.join(unknown)}, which the pipeline does not have. It has "
                f"{', '.join(self.components)}."
            )
        for name, labels in stated.items():
            if isinstance(labels, str) and labels != EVERYTHING:
                raise ValueError(
                    f"What '{corpus}' is annotated for in '{name}' is a list of labels, or \"{EVERYTHING}\" for all, not \"{labels}\"."
                )

    def _check_head(self, name: str, factory: str) -> None:
        partly = [corpus for corpus, stated in self.corpora.items() if stated.get(name) != EVERYTHING]
        if factory in INSTEAD and partly:
            raise ValueError(
                f"'{name}' is spaCy's {factory}, which takes missing annotation for negative, and of {', '.join(partly)} it is not said "
                f'that all of it is annotated ("{EVERYTHING}"). Use {INSTEAD[factory]}.'
            )
        some = [corpus for corpus in partly if name in self.corpora[corpus]]
        if factory == "ner" and some:
            raise ValueError(
                f"'{name}' is spaCy's ner, which takes missing labels for negative, and {', '.join(some)} has some of its labels only. "
                "Use clinical_ner."
            )

    def mark(self, corpus: str, example: Example) -> None:
        """Write into `doc._.annotated` of a reference what its corpus is annotated for. A single note can have less than that, and says
        so there itself.

        corpus (str): The corpus.
        example (Example): Its reference is changed.
        RAISES (ValueError): The reference has annotation from which a component of spaCy's would learn against what is stated.
        """
        stated, reference = self.corpora[corpus], example.reference
        own = reference._.annotated or {}
        marks = dict(own)
        for name in self.components:
            labels = stated.get(name, ())
            if labels != EVERYTHING:
                marks[name] = tuple(label for label in labels if own.get(name) is None or label in own[name])
        reference._.annotated = marks
        for name, factory in self.learning.items():
            if stated.get(name) == EVERYTHING:
                continue
            if factory == "ner" and reference.has_annotation("ENT_IOB"):
                raise ValueError(
                    f"The corpus '{corpus}' is not annotated for '{name}', and has doc.ents, from which spaCy's ner would learn. Use "
                    "clinical_ner, which reads doc._.annotated."
                )
            if factory == "textcat_multilabel":
                wrong = sorted(self.labels[name].intersection(reference.cats).difference(marks[name]))
                if wrong:
                    raise ValueError(
                        f"The corpus '{corpus}' is not annotated for {', '.join(wrong)} of '{name}', and has them in doc.cats, from "
                        "which spaCy's textcat_multilabel would learn. Leave these categories out of the corpus, or the labels out of "
                        f"the component, by [initialize.components.{name}.labels]."
                    )

    def warn_of_absent(self, corpus: str, examples: Iterable[Example]) -> None:
        """Log the labels of components that a corpus never has, though it is said to be annotated for all of them. (A component that
        is not initialised has no labels yet.)

        corpus (str): The corpus.
        examples (Iterable[Example]): All of it.
        """
        seen: Set[str] = set()
        for example in examples:
            reference = example.reference
            seen.update(reference.cats, (ent.label_ for ent in reference.ents))
            seen.update(span.label_ for group in reference.spans.values() for span in group)
        for name, labels in self.labels.items():
            absent = labels - seen if self.corpora[corpus].get(name) == EVERYTHING else None
            if absent:
                logger.warning(
                    "The corpus '%s' is said to be annotated for all of '%s', and nowhere has %s: it teaches that these are absent. If "
                    "nobody looked for them there, list the labels that it is annotated for instead.",
                    corpus,
                    name,
                    ", ".join(sorted(absent)),
                )


def known_labels(reference: Doc, component: str, labels: Iterable[str]) -> Set[str]:
    """Those of some labels, or axes, of which a reference says something.

    reference (Doc): Has `doc._.annotated`, or nothing there, which stands for all labels.
    component (str): The component's name there.
    labels (Iterable[str]): The labels that are asked for.
    RETURNS (Set[str]): The others are missing: neither right nor wrong, and nothing is learned of them.
    """
    stated = (reference._.annotated or {}).get(component)
    return set(labels) if stated is None else set(labels).intersection(stated)


def may_learn(example: Example, component: str) -> bool:
    """Whether a component may learn anything from an example."""
    return (example.reference._.annotated or {}).get(component) != ()


def _plain_labels(nlp: Language, name: str) -> Set[str]:
    """The labels of a component, none where they are of another kind than those of spans and categories."""
    pipe = nlp.get_pipe(name)
    plain = isinstance(getattr(pipe, "label_data", None), (list, tuple))
    return set(pipe.labels) if plain else set()  # type: ignore[attr-defined]
