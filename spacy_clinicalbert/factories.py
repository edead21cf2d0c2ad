"""The project's spaCy factories. spaCy imports this module at each start: nothing heavy may be imported here."""

from typing import Callable, Dict, List, Optional, Union

from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc
from thinc.api import Config, Model

CLINICALBERT_CONFIG = """
[clinicalbert]
max_batch_items = 1024
max_update_items = 8192
max_buffer_items = 32768
max_cache_items = 65536

[clinicalbert.set_extra_annotations]
@annotation_setters = "spacy-transformers.null_annotation_setter.v1"

[clinicalbert.model]
@architectures = "spacy-clinicalbert.Encoder.v1"
name = "emilyalsentzer/Bio_ClinicalBERT"
revision = null
local_files_only = false
lowercase = null
precision = "auto"
engine = "auto"
distinct = true
lr_scale = 1.0
n_frozen_layers = 0
attention_dropout = null
layer_decay = 1.0
n_fresh_layers = 0
pooling = "mean"
saved_precision = "float32"

[clinicalbert.model.windows]
@misc = "spacy-clinicalbert.note_windows.v1"
size = 158
context = 8
"""

CLINICAL_NER_CONFIG = """
[clinical_ner]
spans_key = "entities"
gold_key = "gold"
mode = "independent"
threshold = 0.5
thresholds = {}
temperature = 1.0
label_smoothing = 0.0
class_weights = {}

[clinical_ner.scorer]
@scorers = "spacy-clinicalbert.ner_scorer.v1"

[clinical_ner.model]
@architectures = "spacy-clinicalbert.SpanTagger.v1"

[clinical_ner.model.tok2vec]
@architectures = "spacy-clinicalbert.Listener.v1"
upstream = "*"
"""


@Language.factory(
    "clinicalbert",
    assigns=["doc._.trf_data"],
    default_config=Config().from_str(CLINICALBERT_CONFIG)["clinicalbert"],
)
def make_clinicalbert(
    nlp: Language,
    name: str,
    model: Model,
    set_extra_annotations: Callable[[List[Doc], object], None],
    max_batch_items: int,
    max_update_items: int,
    max_buffer_items: int,
    max_cache_items: int,
) -> Pipe:
    """Make the encoder component; see `encoder.component.ClinicalBert`."""
    from .encoder.component import ClinicalBert

    return ClinicalBert(
        nlp.vocab,
        model,
        set_extra_annotations,
        name=name,
        max_batch_items=max_batch_items,
        max_update_items=max_update_items,
        max_buffer_items=max_buffer_items,
        max_cache_items=max_cache_items,
    )


@Language.factory(
    "clinical_ner",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type", "span._.confidence"],
    default_config=Config().from_str(CLINICAL_NER_CONFIG)["clinical_ner"],
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_clinical_ner(
    nlp: Language,
    name: str,
    model: Model,
    spans_key: str,
    gold_key: str,
    mode: str,
    threshold: float,
    thresholds: Dict[str, float],
    temperature: float,
    label_smoothing: float,
    class_weights: Dict[str, float],
    scorer: Optional[Callable],
) -> Pipe:
    """Make the component that finds entities; see `pipeline.ner.ClinicalNer`."""
    from .pipeline.ner import ClinicalNer

    return ClinicalNer(
        nlp.vocab,
        model,
        name,
        spans_key=spans_key,
        gold_key=gold_key,
        mode=mode,
        threshold=threshold,
        thresholds=thresholds,
        temperature=temperature,
        label_smoothing=label_smoothing,
        class_weights=class_weights,
        scorer=scorer,
    )


@Language.factory(
    "clinical_sections",
    assigns=["doc.spans"],
    default_config={"spans_key": "sections", "titles": {}, "path": None},
    default_score_weights={"spans_sections_f": 1.0, "spans_sections_p": 0.0, "spans_sections_r": 0.0},
)
def make_clinical_sections(
    nlp: Language, name: str, spans_key: str, titles: Dict[str, List[str]], path: Optional[str]
) -> Pipe:
    """Make the component that finds sections; see `pipeline.sections.ClinicalSections`."""
    from .pipeline.sections import ClinicalSections

    return ClinicalSections(name, spans_key=spans_key, titles=titles, path=path)


CLINICAL_ASSERTION_CONFIG = """
[clinical_assertion]
attributes = {}
spans_key = null
assertions_key = "assertions"
gold_key = "gold"

[clinical_assertion.axes]
certainty = ["present", "absent", "possible", "conditional", "hypothetical"]
time = ["recent", "historical"]
experiencer = ["patient", "family", "other"]

[clinical_assertion.scorer]
@scorers = "spacy-clinicalbert.assertion_scorer.v1"

[clinical_assertion.model]
@architectures = "spacy-clinicalbert.Assertion.v1"
n_heads = 4
window = 20
hidden_width = 128

[clinical_assertion.model.tok2vec]
@architectures = "spacy-clinicalbert.Listener.v1"
upstream = "*"
"""


@Language.factory(
    "clinical_assertion",
    requires=["doc._.trf_data"],
    assigns=["doc.spans", "span._.assertion"],
    default_config=Config().from_str(CLINICAL_ASSERTION_CONFIG)["clinical_assertion"],
    default_score_weights={
        "assertion_macro_f": 1.0,
        "assertion_acc": 0.0,
        "assertion_e2e_macro_f": 0.0,
        "assertion_per_axis": None,
        "assertion_e2e_per_axis": None,
    },
)
def make_clinical_assertion(
    nlp: Language,
    name: str,
    model: Model,
    axes: Dict[str, List[str]],
    attributes: Dict[str, Dict[str, Dict[str, str]]],
    spans_key: Optional[str],
    assertions_key: str,
    gold_key: str,
    scorer: Optional[Callable],
) -> Pipe:
    """Make the component that classifies spans; see `pipeline.assertion.ClinicalAssertion`."""
    from .pipeline.assertion import ClinicalAssertion

    return ClinicalAssertion(
        nlp.vocab,
        model,
        name,
        axes=axes,
        attributes=attributes,
        spans_key=spans_key,
        assertions_key=assertions_key,
        gold_key=gold_key,
        scorer=scorer,
    )


CLINICAL_NOTE_CLASSIFIER_CONFIG = """
[clinical_note_classifier]
exclusive_classes = false
spans_key = "windows"
positive_weight = 1.0
thresholds = {}
only_if = null

[clinical_note_classifier.scorer]
@scorers = "spacy-clinicalbert.note_scorer.v1"
prefix = "cats"

[clinical_note_classifier.model]
@architectures = "spacy-clinicalbert.NoteClassifier.v1"
activation = "tanh"
words = 0

[clinical_note_classifier.model.aggregate]
@layers = "spacy-clinicalbert.scaled_max_mean.v1"
c = 2.0
learn = false

[clinical_note_classifier.model.tok2vec]
@architectures = "spacy-clinicalbert.WindowListener.v1"
upstream = "*"
pooling = "mean"
"""


@Language.factory(
    "clinical_note_classifier",
    requires=["doc._.trf_data"],
    assigns=["doc.cats", "doc.spans"],
    default_config=Config().from_str(CLINICAL_NOTE_CLASSIFIER_CONFIG)["clinical_note_classifier"],
    default_score_weights={
        "cats_score": 1.0,
        "cats_score_desc": None,
        "cats_micro_p": None,
        "cats_micro_r": None,
        "cats_micro_f": None,
        "cats_macro_p": None,
        "cats_macro_r": None,
        "cats_macro_f": None,
        "cats_macro_auc": None,
        "cats_macro_auprc": 0.0,
        "cats_macro_rp80": None,
        "cats_macro_ece": None,
        "cats_f_per_type": None,
        "cats_rank_per_type": None,
    },
)
def make_clinical_note_classifier(
    nlp: Language,
    name: str,
    model: Model,
    exclusive_classes: bool,
    spans_key: str,
    positive_weight: Union[float, str],
    thresholds: Dict[str, float],
    only_if: Optional[str],
    scorer: Optional[Callable],
) -> Pipe:
    """Make the component that classifies notes by their windows; see `pipeline.note_classifier.ClinicalNoteClassifier`."""
    from .pipeline.note_classifier import ClinicalNoteClassifier

    return ClinicalNoteClassifier(
        nlp.vocab,
        model,
        name,
        exclusive_classes=exclusive_classes,
        spans_key=spans_key,
        positive_weight=positive_weight,
        thresholds=thresholds,
        only_if=only_if,
        scorer=scorer,
    )


CLINICAL_SUMMARY_CONFIG = """
[clinical_summary]
max_words = 60
balance = 0.7
max_similarity = 0.95

[clinical_summary.scorer]
@scorers = "spacy-clinicalbert.summary_scorer.v1"

[clinical_summary.model]
@architectures = "spacy-clinicalbert.SentenceCentroid.v1"
lead = 0.75

[clinical_summary.model.tok2vec]
@architectures = "spacy-clinicalbert.Listener.v1"
upstream = "*"
"""


@Language.factory(
    "clinical_summary",
    requires=["doc._.trf_data"],
    assigns=["doc.spans", "doc._.summary"],
    default_config=Config().from_str(CLINICAL_SUMMARY_CONFIG)["clinical_summary"],
    default_score_weights={
        "summary_rouge1": 0.0,
        "summary_rouge2": 0.0,
        "summary_rougeL": 1.0,
        "summary_entities": None,
        "summary_compression": None,
        "summary_redundancy": None,
    },
)
def make_clinical_summary(
    nlp: Language,
    name: str,
    model: Model,
    max_words: int,
    balance: float,
    max_similarity: float,
    scorer: Optional[Callable],
) -> Pipe:
    """Make the component that summarises notes by their own sentences; see `summary.component.ClinicalSummary`."""
    from .summary.component import ClinicalSummary

    return ClinicalSummary(
        nlp.vocab,
        model,
        name,
        max_words=max_words,
        balance=balance,
        max_similarity=max_similarity,
        scorer=scorer,
    )


CLINICAL_QA_CONFIG = """
[clinical_qa]
upstream = "*"
questions = []
n_answers = 1
threshold = 0.5
labels = ["yes","no","maybe"]
max_question = 64
max_answer = 80
max_windows = 20
train_windows = 4

[clinical_qa.windows]
@misc = "spacy-clinicalbert.strided_windows.v1"
size = 256
context = 32

[clinical_qa.scorer]
@scorers = "spacy-clinicalbert.qa_scorer.v1"

[clinical_qa.model]
@architectures = "spacy-clinicalbert.QuestionReader.v1"
"""


@Language.factory(
    "clinical_qa",
    assigns=["doc.spans", "doc._.answers"],
    default_config=Config().from_str(CLINICAL_QA_CONFIG)["clinical_qa"],
    default_score_weights={
        "qa_f1": 1.0,
        "qa_em": 0.0,
        "qa_answered_f1": None,
        "qa_hit1": None,
        "qa_hit5": None,
        "qa_auroc": None,
        "qa_auroc_per_rule": None,
        "qa_several_f": None,
        "qa_label_acc": None,
        "qa_label_macro_f": None,
    },
)
def make_clinical_qa(
    nlp: Language,
    name: str,
    model: Model,
    windows: Callable,
    upstream: str,
    questions: List[str],
    n_answers: int,
    threshold: float,
    labels: List[str],
    max_question: int,
    max_answer: int,
    max_windows: int,
    train_windows: int,
    scorer: Optional[Callable],
) -> Pipe:
    """Make the component that answers questions; see `questions.component.ClinicalQA`."""
    from .questions.component import ClinicalQA

    return ClinicalQA(
        nlp.vocab,
        model,
        name,
        windows=windows,
        upstream=upstream,
        questions=questions,
        n_answers=n_answers,
        threshold=threshold,
        labels=labels,
        max_question=max_question,
        max_answer=max_answer,
        max_windows=max_windows,
        train_windows=train_windows,
        scorer=scorer,
    )


@Language.factory(
    "clinical_pathology",
    assigns=["doc._.pathology"],
    default_config={
        "inferred": {"pT": ["T1", "T2", "T3", "T4"], "pN": ["N0", "N1", "N2", "N3"], "pM": ["M0", "M1"]},
        "threshold": 0.5,
    },
)
def make_clinical_pathology(nlp: Language, name: str, inferred: Dict[str, List[str]], threshold: float) -> Pipe:
    """Make the component that reads pathology reports; see `pathology.component.ClinicalPathology`."""
    from .pathology.component import ClinicalPathology

    return ClinicalPathology(name, inferred=inferred, threshold=threshold)
