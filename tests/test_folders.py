from pathlib import Path

import pytest

from spacy_clinicalbert.folders import keep_latest, step_folder, step_folders, whole_folder
from spacy_clinicalbert.loading import find_pipeline


class Killed(BaseException):
    pass


def write(folder, text):
    with whole_folder(folder) as part:
        (part / "config.cfg").write_text(text)


def replace_and_be_killed(folder, monkeypatch):
    """As a kill between the two renames, or, where there is nothing to replace, before the only one."""
    rename = Path.rename

    def rename_once(path, target):
        if path.suffix == ".part":
            raise Killed
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_once)
    with pytest.raises(Killed):
        write(folder, "2")
    monkeypatch.undo()


def test_whole_folder_replaces_what_is_there(tmp_path):
    for text in "123":
        write(tmp_path / "model", text)
        assert (tmp_path / "model" / "config.cfg").read_text() == text
        assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_whole_folder_puts_back_what_a_kill_has_left(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    write(folder, "1")
    replace_and_be_killed(folder, monkeypatch)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.old", "model.part"]
    with pytest.raises(ZeroDivisionError), whole_folder(folder):
        assert (folder / "config.cfg").read_text() == "1"
        _ = 1 / 0
    assert (folder / "config.cfg").read_text() == "1"
    write(folder, "3")
    assert (folder / "config.cfg").read_text() == "3" and [path.name for path in tmp_path.iterdir()] == ["model"]


def test_whole_folder_leaves_a_folder_alone_that_nobody_has_replaced(tmp_path, monkeypatch):
    write(tmp_path / "model.old", "the user's")
    replace_and_be_killed(tmp_path / "model", monkeypatch)
    (tmp_path / "model.part" / "config.cfg").unlink()
    (tmp_path / "model.part").rmdir()
    write(tmp_path / "model", "2")
    assert (tmp_path / "model.old" / "config.cfg").read_text() == "the user's"


def test_find_pipeline_says_where_a_kill_has_left_it(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    write(folder, "[nlp]")
    assert find_pipeline(folder) == folder
    replace_and_be_killed(folder, monkeypatch)
    with pytest.raises(ValueError, match=r"left what was there before as '.*model\.old'\. Rename"):
        find_pipeline(folder)
    assert not folder.exists()


def test_what_kills_have_left_of_checkpoints_goes_with_the_old_ones(tmp_path, monkeypatch):
    for step in (1, 2):
        write(step_folder(tmp_path, step), "1")
    replace_and_be_killed(step_folder(tmp_path, 3), monkeypatch)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    write(step_folder(tmp_path, 4), "1")
    keep_latest(tmp_path, 1)
    assert [*(tmp_path / "checkpoints").iterdir()] == step_folders(tmp_path) == [step_folder(tmp_path, 4)]
