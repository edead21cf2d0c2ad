import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_reference_names_all_that_is_registered():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    groups = parser["options.entry_points"]
    rows = [row.split(" = ") for group in groups if group != "spacy_cli" for row in groups[group].strip().splitlines()]
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf8")
    found = dict(re.findall(r"^### (\S+)\n\n::: (\S+)$", page, re.MULTILINE))
    assert found == {name.strip(): place.strip().replace(":", ".") for name, place in rows}


def test_site_is_built_and_its_links_lead_somewhere(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "docs/reference.html", "benchmarks/RESULTS.html"} <= pages
    assert not [path for path in (tmp_path / "site").rglob("*") if path.suffix in (".py", ".safetensors", ".jsonl")]
    reference = (tmp_path / "site" / "docs" / "reference.html").read_text(encoding="utf8")
    assert "<strong>nlp</strong>" in reference
    # No page loads anything from elsewhere.
    loaded = [
        address
        for page in pages
        for address in re.findall(
            r"<(?:script|img|link)[^>]*(?:src|href)=\"(https?://[^\"]+)",
            (tmp_path / "site" / page).read_text(encoding="utf8"),
        )
    ]
    assert not loaded
