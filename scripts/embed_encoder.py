"""Make of a pretrained encoder the one that comes with the package: float16, without heads, at most 36 MB.

python scripts/embed_encoder.py training/mini/model-last assets/clinicalbert-mini
"""

import shutil
from pathlib import Path

import torch
import typer

from spacy_clinicalbert.encoder.checkpoints import load_checkpoint
from spacy_clinicalbert.folders import whole_folder

LIMIT = 36_000_000


def main(encoder: Path, output: Path) -> None:
    checkpoint = load_checkpoint(str(encoder))
    network = checkpoint.network
    network.pooler = None  # a masked-language model trains none
    with whole_folder(output) as part:
        network.to(torch.float16).save_pretrained(part, safe_serialization=True)
        checkpoint.tokenizer.save_pretrained(part)
        shutil.copy(encoder / "README.md", part)
        size = sum(path.stat().st_size for path in part.iterdir())
        if size > LIMIT:
            raise typer.BadParameter(
                f"The folder would have {size:,} bytes, more than the {LIMIT:,} that may be in the package. Pretrain with a smaller vocabulary."
            )
    n_weights = sum(each.numel() for each in network.parameters())
    print(f"{output}: {n_weights:,} weights, {size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
