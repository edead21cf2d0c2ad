"""project.yml, and what README.md says of it."""

import shutil
from pathlib import Path

import pytest
from weasel.cli.document import project_document
from weasel.util import load_project_config

from scripts import convert_joint

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def project():
    return load_project_config(ROOT)


def test_readme_says_what_the_project_has(tmp_path):
    """If not: copy both files to an empty folder, `python -m spacy project document --no-emoji --output README.md .` there, and copy README.md back."""
    for name in ("project.yml", "README.md"):  # without corpora, which would become links
        shutil.copy(ROOT / name, tmp_path)
    project_document(tmp_path, tmp_path / "README.md", no_emoji=True)
    written = (tmp_path / "README.md").read_text(encoding="utf8")
    assert written == (ROOT / "README.md").read_text(encoding="utf8")
    assert written.count("WEASEL: AUTO-GENERATED DOCS START") == 1  # and it is not the whole page


def test_workflows_are_of_commands_whose_configs_are_there(project):
    workflows, commands = project["workflows"], {command["name"]: command for command in project["commands"]}
    assert {"corpora", "train", "evaluate", "package", "all"} <= set(workflows)
    assert all(step in commands for steps in workflows.values() for step in steps)
    assert workflows["all"] == [
        step for name in ("corpora", "train", "evaluate", "package") for step in workflows[name]
    ]
    deps = {dep for command in commands.values() for dep in command.get("deps", ())}
    assert all((ROOT / dep).is_file() for dep in deps if dep.startswith("configs/"))


def test_corpora_of_the_package_are_assets(project):
    folders = {Path(asset["dest"]).relative_to("corpora").parts[0] for asset in project["assets"]}
    assert {*convert_joint.CORPORA, "covid_qa", "xquad"} <= folders


def test_credentialed_files_have_no_address(project):
    mimic = {Path(asset["dest"]).name: asset for asset in project["assets"] if "/mimic/" in asset["dest"]}
    assert set(mimic) == {"ADMISSIONS.csv", "NOTEEVENTS.csv", "PATIENTS.csv"}
    assert not any("url" in asset or "git" in asset for asset in mimic.values())
