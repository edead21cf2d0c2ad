import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
import spacy

from spacy_clinicalbert.corpora.docs import Report, to_docs
from spacy_clinicalbert.corpora.jsonl import jsonl_records

pytestmark = pytest.mark.usefixtures("all_special_cases")
ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.name)
def test_python_blocks_run_and_print_what_their_comments_say(page, tmp_path, monkeypatch, capsys):
    """Block by block in one namespace."""
    monkeypatch.chdir(tmp_path)
    namespace = {}
    spacy.util.fix_random_seed(0)
    for block in python_blocks(page):
        exec(compile(block, str(page), "exec"), namespace)
        printed = capsys.readouterr().out.splitlines()
        stated = re.findall(r"^print\(.*?\) +# (.*?)(?:: .*)?$", block, re.MULTILINE)
        assert printed == stated
    assert "nlp" in namespace


def test_ci_runs_the_readmes_test_command():
    command = next(line for line in (ROOT / ".ci" / "run").read_text().splitlines() if "pytest" in line)
    assert command in (ROOT / "README.md").read_text(encoding="utf8").splitlines()


def test_links_between_pages_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_sample_notes_are_whole():
    records = list(jsonl_records(ROOT / "assets" / "sample_notes.jsonl"))
    report = Report(strict=True)
    docs = list(to_docs(records, spacy.blank("en"), report))
    assert len(docs) >= 60 and len({doc.text for doc in docs}) == len({doc._.note_id for doc in docs}) == len(docs)
    assert {ent.label_ for doc in docs for ent in doc.ents} == {"PROBLEM", "TEST", "TREATMENT"}
    for split in ("train", "dev"):
        part = [record for record in records if record["split"] == split]
        types = [max(record["cats"], key=record["cats"].get) for record in part]
        assert len(set(types)) == 5 and min(map(types.count, types)) >= 4
    assert not {r["patient"] for r in records if r["split"] == "dev"} & {
        r["patient"] for r in records if r["split"] == "train"
    }
    # No two notes share a run of twelve words: each was written by itself.
    runs = {}
    for doc in docs:
        words = [token.lower_ for token in doc if token.is_alpha]
        for i in range(len(words) - 11):
            assert runs.setdefault(tuple(words[i : i + 12]), doc._.note_id) == doc._.note_id


def test_assets_ship_in_the_package():
    from importlib.resources import files

    lines = (files("spacy_clinicalbert.assets") / "sample_notes.jsonl").read_text(encoding="utf8").splitlines()
    assert json.loads(lines[0])["text"]


def test_section_heads_fit_the_sample_notes():
    notes = {r["id"]: r["text"] for r in jsonl_records(ROOT / "assets" / "sample_notes.jsonl")}
    lines = (ROOT / "assets" / "section_heads.jsonl").read_text(encoding="utf8").splitlines()
    records = [json.loads(line) for line in lines]
    assert len({(r["corpus"], r["id"]) for r in records}) == len(records) == 110
    for record in records:
        ends = [0]
        for start, end, label, level in record["heads"]:
            assert ends[-1] <= start < end and label and level in (1, 2)
            ends.append(end)
        if record["corpus"] == "sample_notes":
            text = notes[record["id"]]
            assert sha256(text.encode()).hexdigest()[:16] == record["text_sha256"]
            heads = [text[start:end] for start, end, _, _ in record["heads"]]
            assert heads == [head.strip(" :\n") for head in heads]
