from xml.etree import ElementTree

import matplotlib.image
import pytest

from spacy_clinicalbert.evaluation.heat_map import plot_heat_map
from spacy_clinicalbert.evaluation.transfer import transfer


@pytest.fixture
def result(pipelines, corpora):
    return transfer(pipelines, corpora, n_samples=10, say=lambda line: None)


def test_svg_shows_names_scores_and_intervals(result, tmp_path):
    result["scores"][0]["f1"] = {"value": 0.7251, "low": 0.614, "high": 0.8}
    result["distances"]["word_divergence"]["full"]["few"] = 0.333
    path = tmp_path / "map.svg"
    plot_heat_map(result, path)
    texts = {element.text for element in ElementTree.parse(path).iter() if element.text and element.text.strip()}
    assert {"careful", "loose", "full", "few", "micro F1, 95% interval", "0.73", "0.61 to 0.80", "0.33", "–"} <= texts
    plot_heat_map(result, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == path.read_bytes()


def test_png_is_an_image(result, tmp_path):
    plot_heat_map(result, tmp_path / "map.png")
    image = matplotlib.image.imread(tmp_path / "map.png")
    assert min(image.shape[:2]) > 200 and image[..., :3].std() > 0.05
