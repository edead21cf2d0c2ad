import copy
import json
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from spacy_clinicalbert.cli import app
from tests.corpora.checks.notes import clean_corpus, plant
from tests.corpora.checks.test_run import write


def run(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


@pytest.fixture
def planted(tmp_path):
    corpus = copy.deepcopy(clean_corpus())
    plant(corpus)
    return corpus, write(corpus, tmp_path)


def shares_text(shown, corpus):
    """Whether a run of three words of a note is in what was shown."""
    shown = " ".join(shown.split())
    texts = [record["text"].split() for records in corpus.values() for record in records]
    return any(" ".join(words[i : i + 3]) in shown for words in texts for i in range(len(words) - 2))


def test_command_exits_with_0_where_there_are_no_errors(tmp_path):
    shown = run(*write(clean_corpus(), tmp_path))
    assert shown.exit_code == 0 and "108 notes: nothing found" in shown.output


def test_command_exits_with_0_with_warnings_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "See above."}\n')
    shown = run(path)
    assert shown.exit_code == 0 and "near-empty note" in shown.output and "1 warning" in shown.output


def test_command_exits_with_1_and_shows_no_text(planted, tmp_path):
    corpus, arguments = planted
    shown = run(*arguments, "--html", tmp_path / "new" / "page.html")
    assert shown.exit_code == 1 and "misaligned span" in shown.output and "train/train-0" in shown.output
    page = (tmp_path / "new" / "page.html").read_text(encoding="utf8")
    assert "misaligned span" in page and "train/train-0" in page
    as_json = run(*arguments, "--json")
    assert as_json.exit_code == 1
    for output in (shown.output, page, as_json.output):
        assert not shares_text(output, corpus) and "jane" not in output


def test_command_shows_text_only_when_asked(planted):
    corpus, arguments = planted
    shown = run(*arguments, "--show-text")
    assert shares_text(shown.output, corpus) and "jane" not in shown.output


def test_command_prints_json(planted):
    _, arguments = planted
    data = json.loads(run(*arguments, "--json", "--max-examples", 2).stdout)
    assert [each["name"] for each in data["corpora"]] == ["corpus", "across splits and corpora"]
    found = [finding for each in data["corpora"] for finding in each["findings"]]
    assert data["errors"] == sum(finding["severity"] == "error" for finding in found) > 10
    assert max(len(finding["examples"]) for finding in found) == 2
    (misaligned,) = (finding for finding in found if finding["kind"] == "misaligned span")
    assert misaligned["count"] == 1 and misaligned["examples"][0]["record"] == "train/train-0"


def test_command_writes_a_page_that_needs_no_other_and_escapes_what_it_shows(tmp_path):
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.links = [], []

        def handle_starttag(self, tag, attrs):
            self.tags.append(tag)
            self.links += [value for name, value in attrs if name in ("src", "href")]

    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "<script>x</script>", "text": "A <b>bold</b> word &amp; more."}) + "\n")
    assert run(path, "--html", tmp_path / "a.html", "--show-text").exit_code == 0
    page = Tags()
    page.feed((tmp_path / "a.html").read_text(encoding="utf8"))
    assert "script" not in page.tags and "b" not in page.tags and page.links == [] and page.tags.count("table") == 1


def test_command_shows_what_it_found_where_the_page_cannot_be_written(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "See above."}\n')
    shown = run(tmp_path / "a.jsonl", "--html", tmp_path / "a.jsonl" / "page.html")
    assert shown.exit_code == 2 and "near-empty note" in shown.output and "File exists" in shown.output


@pytest.mark.parametrize(
    "content, message", [(b'{"text": "secretword', "Line 1 of"), (b"", "no notes"), (b"\xff\xfe", "UTF-8")]
)
def test_command_exits_with_2_where_a_corpus_cannot_be_read(content, message, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(content)
    shown = run(tmp_path / "a.jsonl")
    assert shown.exit_code == 2 and message in shown.output and "secretword" not in shown.output


def test_command_exits_with_2_where_nothing_is_named_or_a_checkpoint_is_missing(tmp_path):
    assert run().exit_code == 2
    (tmp_path / "a.jsonl").write_text('{"text": "One two three four."}\n')
    shown = run(tmp_path / "a.jsonl", "--checkpoint", tmp_path / "none")
    assert shown.exit_code == 2 and "checkpoint" in shown.output


def test_command_says_which_extra_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasketch", None)
    (tmp_path / "a.jsonl").write_text('{"text": "One two three four."}\n')
    shown = run(tmp_path / "a.jsonl")
    assert shown.exit_code == 2 and "spacy-clinicalbert[quality]" in shown.output


def test_command_checks_public_corpora_each_and_across(tmp_path):
    """Two corpora in their sources' layout, of which one repeats the other."""
    section = " ".join(f"word{i}" for i in range(30))
    for name in ("mtsamples", "mts_dialog"):
        (tmp_path / name).mkdir()
    rows = [
        {"sample_id": 5, "text": f"Note. {section} End of it.", "specialties": ["Surgery"]},
        {"sample_id": 6, "text": "Another note of a few words.", "specialties": ["Surgery"]},
    ]
    (tmp_path / "mtsamples" / "mtsamples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = f'ID,section_header,section_text,dialogue\n0,HPI,"{section}","Doctor: How are you today?"\n'
    (tmp_path / "mts_dialog" / "MTS-Dialog-ValidationSet.csv").write_text(table)
    data = json.loads(run("--public", tmp_path, "--json").stdout)
    assert [each["name"] for each in data["corpora"]] == ["mtsamples", "mts_dialog", "across splits and corpora"]
    messages = [finding["message"] for finding in data["corpora"][-1]["findings"]]
    assert any("1 of 1 notes of mts_dialog" in message and "mtsamples" in message for message in messages)
