import ast
import configparser
import importlib
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
import spacy

ROOT = Path(__file__).parent.parent
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
ENTRY_POINTS = [
    (group, *(part.strip() for part in line.split(" = ")))
    for group, lines in SETUP["options.entry_points"].items()
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize("group, name, target", ENTRY_POINTS)
def test_every_registered_string_resolves(group, name, target):
    assert name in {entry.name for entry in entry_points(group=group)}, "install the package anew: pip install -e ."
    module, attribute = target.split(":")
    if group == "spacy_factories":  # registered wrapped, with its name alone, when a pipeline first wants one
        assert spacy.blank("en").get_factory_meta(name)
    else:
        assert spacy.registry.get(group.partition("_")[2], name) is getattr(importlib.import_module(module), attribute)


def test_importing_factories_adds_neither_torch_nor_transformers():
    code = "\n".join(
        [
            "import sys, spacy.pipeline, thinc.api",
            "before = set(sys.modules)",
            "import spacy_clinicalbert.factories",
            "print(*sorted(name.split('.')[0] for name in set(sys.modules) - before))",
        ]
    )
    added = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert set(added) == {"spacy_clinicalbert"}


def test_only_public_names_of_the_transformer_libraries_are_imported():
    """It is to run on their next major versions, which move what is private."""
    gone = {"transformers.file_utils", "transformers.tokenization_utils", "transformers.tokenization_utils_base"}
    found = []
    for path in [*(ROOT / "spacy_clinicalbert").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                if name.split(".")[0] in ("transformers", "spacy_transformers"):
                    private = any(part.startswith("_") for part in name.split("."))
                    found.append(name)
                    assert not private and not any(name.startswith(module) for module in gone), f"{path}: {name}"
    assert "transformers.AutoModel" in found and "spacy_transformers.Transformer" in found


def test_versions_agree():
    assert version("spacy-clinicalbert") == SETUP["metadata"]["version"]
    assert f"## {SETUP['metadata']['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf8")
