"""Make of a pretrained encoder the one that comes with the package: float16, without heads, at most 36 MB.

python scripts/embed_encoder.py training/mini-2/model-last assets/clinicalbert-mini --before training/mini/model-last
"""

from pathlib import Path
from typing import List

import torch
import typer

from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.folders import whole_folder

LIMIT = 36_000_000


def main(
    encoder: Path,
    output: Path,
    before: List[Path] = typer.Option([], help="The encoder that the run began with, whose card is told too"),
) -> None:
    checkpoint = load_checkpoint(str(encoder))
    network = checkpoint.network
    network.pooler = None  # a masked-language model trains none
    with whole_folder(output) as part:
        network.to(torch.float16).save_pretrained(part, safe_serialization=True)
        checkpoint.tokenizer.save_pretrained(part)
        cards = [(encoder / "README.md").read_text(encoding="utf8")]
        for earlier in before:
            # Without the front matter.
            text = (earlier / "README.md").read_text(encoding="utf8").split("---\n", 2)[-1]
            cards.append("\n# The run before\n\n" + text.replace("# A clinical encoder", "", 1).lstrip())
        (part / "README.md").write_text("".join(cards), encoding="utf8")
        size = sum(path.stat().st_size for path in part.iterdir())
        if size > LIMIT:
            raise typer.BadParameter(
                f"The folder would have {size:,} bytes, more than the {LIMIT:,} that may be in the package. Pretrain with a smaller vocabulary."
            )
    n_weights = sum(each.numel() for each in network.parameters())
    print(f"{output}: {n_weights:,} weights, {size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
