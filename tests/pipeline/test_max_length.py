import pytest
import spacy

from spacy_clinicalbert.pipeline.max_length import max_length


def test_max_length_holds_in_the_saved_pipeline_too(tmp_path):
    callback = {"@callbacks": "spacy-clinicalbert.max_length.v1", "n_characters": 12}
    nlp = spacy.blank("en", config={"nlp": {"after_creation": callback}})
    nlp.to_disk(tmp_path)
    for each in (nlp, spacy.load(tmp_path)):
        assert len(each("x" * 12)) == 1
        with pytest.raises(ValueError, match="exceeds maximum of 12"):
            each("x" * 13)


def test_max_length_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="set it to 1 or more"):
        max_length(0)
