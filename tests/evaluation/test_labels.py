import pytest

from spacy_clinicalbert.evaluation.labels import common_label, read_label_map


def test_label_map_is_read_the_other_way_round(tmp_path):
    path = tmp_path / "map.json"
    path.write_text('{"DISEASE": ["Disease", "Disorder"], "DRUG": ["Drug"]}')
    label_map = read_label_map(path)
    assert label_map == {"Disease": "DISEASE", "Disorder": "DISEASE", "Drug": "DRUG"}
    assert [common_label(label, label_map) for label in ("Drug", "DRUG")] == ["DRUG", None]
    assert common_label("Drug", None) == "Drug"


@pytest.mark.parametrize(
    "content, message",
    [
        ("[]", "not an object"),
        ("{}", "not an object"),
        ('{"A": "B"}', "not an object"),
        ('{"A": []}', "not an object"),
        ('{"A": [1]}', "not an object"),
        ('{"A": ["X"], "B": ["X"]}', "puts 'X' under two common labels"),
        ("{", "is not JSON"),
    ],
)
def test_label_map_of_another_form_is_an_error(tmp_path, content, message):
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_label_map(path)
