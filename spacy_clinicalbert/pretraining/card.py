"""The model card of a pretrained encoder."""

from typing import Any, Dict, List

from .config import Pretraining
from .prepare import Prepared
from .saving import Progress


def write_card(config: Pretraining, prepared: Prepared, progress: Progress, passes: Dict[str, float]) -> str:
    """What the encoder was made from and how good it is, as Markdown with the hub's front matter.

    passes (Dict[str, float]): How often each source was read.
    RETURNS (str): The card. It holds counts and names, never text of notes.
    """
    settings, encoder = config.pretraining, config.encoder
    base = encoder.name or f"nothing (a new {(encoder.config or {})['model_type']})"
    lines = ["---", "library_name: transformers", "pipeline_tag: fill-mask", "language: en"]
    lines += [f"base_model: {encoder.name}"] if encoder.name else []
    lines += ["tags: [clinical, spacy-clinicalbert]", "---", "", "# A clinical encoder", ""]
    stages = ", then ".join(
        f"{stage.length} wordpieces in batches of {stage.batch_size} ({stage.share:.0%} of the steps)"
        for stage in config.stages.values()
    )
    objective = config.objective
    what = {
        "wordpieces": "wordpieces",
        "words": "whole words",
        "concepts": f"whole words and clinical concepts, these chosen {objective.concept_weight:g} times as often",
    }
    lines += [
        f"Pretrained from {base} by `python -m spacy clinicalbert pretrain` on the text below: {progress.step:,} of {settings.max_steps:,} "
        f"steps, {progress.pieces:,} wordpieces, {progress.seconds / 3600:.2f} hours; blocks of {stages}; {objective.rate:.0%} of "
        f"{what[objective.units]} masked{', next sentences predicted' if objective.next_sentence else ''}; AdamW, "
        f"{config.optimizer.learn_rate:g}, {config.optimizer.warmup_steps} steps of warm-up, {config.optimizer.schedule}; seed {settings.seed}.",
        "",
        "## Text",
        "",
        *_table(
            ["source", "licence", "notes", "words", "wordpieces", "weight", "passes", "not read"],
            [
                [name, source.licence or "not stated", meta["notes"], meta["words"], meta["pieces"], f"{source.weight:g}",
                 f"{passes.get(name, 0):.2f}", sum(meta["unreadable"].values())]
                for name, source in config.corpus.sources.items()
                for meta in [prepared.sources[name].meta]
            ],
        ),
    ]  # fmt: skip
    vocabulary = prepared.vocabulary
    if config.vocabulary.mode != "keep":
        how = "replace" if config.vocabulary.mode == "replace" else "were added to"
        lines += ["", "## Vocabulary", "", f"{vocabulary['size']:,} wordpieces, learned from this text, {how} the base's {vocabulary['base_size']:,}. Wordpieces per word on held-out notes:", ""]  # fmt: skip
        rows = [
            [name, _ratio(counts["before"]), _ratio(counts["after"]), f"{counts['after']['unknown']:.3%}"]
            for name, counts in vocabulary["sets"].items()
        ]
        lines += _table(["held-out set", "before", "after", "unknown, after"], rows)
    for title, figures, step in (
        ("Figures", progress.figures, progress.step),
        ("Best", progress.best_figures, progress.best_step),
    ):
        if figures:
            rows = [
                [
                    name,
                    *(
                        f"{each[key]:.3f}"
                        for key in ("loss", "perplexity", "accuracy", "term_accuracy", "bits_per_character")
                    ),
                    f"{each['targets']:.0f}",
                ]
                for name, each in figures.items()
            ]
            lines += ["", f"## {title}", "", f"Masked wordpieces of held-out notes, in blocks of {config.validation.length}, {'at the last round' if title == 'Figures' else f'at step {step:,}'}:", ""]  # fmt: skip
            lines += _table(
                ["held-out set", "loss", "perplexity", "accuracy", "on clinical terms", "bits a character", "masked"],
                rows,
            )
    return "\n".join(lines) + "\n"


def _ratio(counts: Any) -> str:
    return f"{counts['pieces_per_word']:.3f}" if counts else ""


def _table(head: List[str], rows: List[List[Any]]) -> List[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [
        "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) + " |" for row in cells
    ]
