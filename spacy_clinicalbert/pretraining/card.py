"""The model card of a pretrained encoder."""

from pathlib import Path
from typing import Any, Dict, List

from .config import Pretraining
from .prepare import Prepared
from .saving import Progress

_FIGURES = ("loss", "perplexity", "accuracy", "term_accuracy", "bits_per_character")


def write_card(config: Pretraining, prepared: Prepared, progress: Progress, passes: Dict[str, float]) -> str:
    """What the encoder was made from and how good it is, as Markdown with the hub's front matter.

    passes (Dict[str, float]): How often each source was read.
    RETURNS (str): The card. It holds counts and names, never text of notes.
    """
    base = [f"base_model: {config.encoder.name}"] if config.encoder.name and not _folder(config) else []
    lines = ["---", "library_name: transformers", "pipeline_tag: fill-mask", "language: en", *base]
    lines += ["tags: [clinical, spacy-clinicalbert]", "---", "", "# A clinical encoder", "", _how(config, progress)]
    lines += ["", "## Text", "", *_text(config, prepared, passes)]
    if config.vocabulary.mode != "keep":
        lines += ["", "## Vocabulary", "", *_vocabulary(config, prepared.vocabulary)]
    where = f"Masked wordpieces of held-out notes, in blocks of {config.validation.length},"
    if progress.figures:
        lines += ["", "## Figures", "", f"{where} at the last round:", "", *_figures(progress.figures)]
        lines += ["", "## Best", "", f"{where} at step {progress.best_step:,}:", "", *_figures(progress.best_figures)]
    return "\n".join(lines) + "\n"


def _folder(config: Pretraining) -> str:
    """The name of the base's folder, if it is one: where that is, is nobody's business."""
    path = Path(config.encoder.name or "")
    return path.resolve().name if config.encoder.name and path.is_dir() else ""


def _how(config: Pretraining, progress: Progress) -> str:
    settings, optimizer, objective = config.pretraining, config.optimizer, config.objective
    base = _folder(config) or config.encoder.name or f"nothing (a new {(config.encoder.config or {})['model_type']})"
    stages = ", then ".join(
        f"{stage.length} wordpieces in batches of {stage.batch_size} ({stage.share:.0%} of the steps)"
        for stage in config.stages.values()
    )
    masked = {
        "wordpieces": "one by one",
        "words": "by whole words",
        "concepts": f"by whole words and clinical concepts, these chosen {objective.concept_weight:g} times as often",
    }[objective.units]
    following = ", next sentences predicted" if objective.next_sentence else ""
    return (
        f"Pretrained from {base} by `python -m spacy clinicalbert pretrain` on the text below: {progress.step:,} of "
        f"{settings.max_steps:,} steps, {progress.pieces:,} wordpieces, {progress.seconds / 3600:.2f} hours; blocks of "
        f"{stages}; {objective.rate:.0%} of the wordpieces masked, {masked}{following}; AdamW, {optimizer.learn_rate:g}, "
        f"{optimizer.warmup_steps} steps of warm-up, {optimizer.schedule}; seed {settings.seed}."
    )


def _text(config: Pretraining, prepared: Prepared, passes: Dict[str, float]) -> List[str]:
    rows = []
    for name, source in config.corpus.sources.items():
        meta = prepared.sources[name].meta
        counts = [meta["notes"], meta["words"], meta["pieces"], f"{source.weight:g}", f"{passes[name]:.2f}"]
        rows.append([name, source.licence or "not stated", *counts, sum(meta["unreadable"].values())])
    return _table(["source", "licence", "notes", "words", "wordpieces", "weight", "passes", "not read"], rows)


def _vocabulary(config: Pretraining, found: Dict[str, Any]) -> List[str]:
    replaces = config.vocabulary.mode == "replace"
    how, n_old = (", in place of", 0) if replaces else (" and added to", found["base_size"])
    lines = [
        f"{found['size'] - n_old:,} wordpieces, learned from this text{how} the base's {found['base_size']:,}. Wordpieces per "
        "word on held-out notes:",
        "",
    ]
    rows = []
    for name, counts in found["sets"].items():
        before = f"{counts['before']['pieces_per_word']:.3f}" if counts["before"] else ""
        rows.append([name, before, f"{counts['after']['pieces_per_word']:.3f}", f"{counts['after']['unknown']:.3%}"])
    return lines + _table(["held-out set", "before", "after", "unknown, after"], rows)


def _figures(figures: Dict[str, Any]) -> List[str]:
    rows = [[name, *(f"{each[key]:.3f}" for key in _FIGURES), int(each["targets"])] for name, each in figures.items()]
    head = ["held-out set", "loss", "perplexity", "accuracy", "on clinical terms", "bits a character", "masked"]
    return _table(head, rows)


def _table(head: List[str], rows: List[List[Any]]) -> List[str]:
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(f"{each:,}" if isinstance(each, int) else each for each in row) + " |" for row in cells]
