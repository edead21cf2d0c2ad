"""What goes into an image: read, for nothing here builds one."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = {".git", "corpora", "corpus", "training", "encoders", "packages", "outputs"}


def test_container_leaves_data_and_models_out():
    lines = (ROOT / ".containerignore").read_text(encoding="utf8").splitlines()
    assert set(lines) >= DATA and not any(line.startswith("!") for line in lines)
    assert (ROOT / ".dockerignore").read_text(encoding="utf8").splitlines() == lines


def test_container_has_what_the_services_endpoints_need():
    steps = (ROOT / "Containerfile").read_text(encoding="utf8")
    assert "'.[service,questions,openvino]'" in steps and "COPY --from=pipeline" in steps
