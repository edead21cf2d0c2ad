"""The installed wheel, outside the checkout, with the encoder that comes with it."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_wheel_holds_the_assets_and_every_package(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("spacy_clinicalbert", "assets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(tmp_path / "site")]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    code = "\n".join(
        [
            f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})",
            "import spacy, spacy_clinicalbert, spacy_clinicalbert.encoder.component",
            "from importlib.resources import files",
            "import spacy_clinicalbert.corpora.jsonl as jsonl",
            "path = files('spacy_clinicalbert.assets') / 'sample_notes.jsonl'",
            "print(spacy_clinicalbert.__file__, path, len(list(jsonl.jsonl_records(path))))",
            "from spacy_clinicalbert.encoder.checkpoints import resolve_name",
            "nlp = spacy.blank('en')",
            "nlp.add_pipe('clinicalbert', config={'model': {'name': 'mini'}})",
            "nlp.initialize()",
            "print(resolve_name('mini', None, False)[0], *nlp('No fever.')._.trf_data.model_output.last_hidden_state.shape)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    module, path, count, encoder, *shape = done.stdout.split()
    assert all(each.startswith(str(tmp_path)) for each in (module, path, encoder)) and int(count) >= 60
    assert shape == ["1", "3", "384"]
    missing = {path.relative_to(ROOT) for path in (ROOT / "spacy_clinicalbert").rglob("*.py")} - {
        path.relative_to(tmp_path / "site") for path in (tmp_path / "site").rglob("*.py")
    }
    assert not missing
