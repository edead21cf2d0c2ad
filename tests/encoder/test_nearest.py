"""Two encoders, and heads whose upstream is "*"."""

import pytest
import spacy
import torch
from thinc.api import Adam

from tests.conftest import encoder_config, encoder_weights, head_config, listener_config, make_examples


def add(nlp, **folders):
    for name, folder in folders.items():
        nlp.add_pipe("clinicalbert", name=name, config=encoder_config(folder))
    return nlp


def add_head(nlp, head="textcat", stock=False):
    nlp.add_pipe(head, config=head_config(head, listener_config(stock)))
    return nlp


def listeners(nlp):
    return [nlp.get_pipe(name).listening_components for name in ("one", "two")]


def learn(nlp):
    before = {name: encoder_weights(nlp, name).embeddings.LayerNorm.weight.detach().clone() for name in ("one", "two")}
    sgd = Adam(0.01, use_averages=False)
    for _ in range(2):
        nlp.update(make_examples(nlp), sgd=sgd)
    after = {name: encoder_weights(nlp, name).embeddings.LayerNorm.weight for name in before}
    return [not torch.equal(before[name], after[name]) for name in before]


@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize("widths", [(32, 16), (16, 32), (32, 32)])
def test_nearest_encoder_alone_feeds_the_head(toy, other_toy, widths, stock):
    folders = dict(zip(("one", "two"), ({32: toy, 16: other_toy}[width] for width in widths)))
    nlp = add_head(add(spacy.blank("en"), **folders), stock=stock)
    nlp.initialize(lambda: make_examples(nlp))
    assert listeners(nlp) == [[], ["textcat"]]
    assert learn(nlp) == [False, True] and nlp("chest pain").cats
    if not stock:
        with nlp.select_pipes(disable="two"), pytest.raises(ValueError, match="another encoder"):
            nlp("chest pain")
        with nlp.select_pipes(disable="one"):
            assert nlp("chest pain").cats


def test_each_head_takes_the_encoder_before_it(toy, other_toy):
    nlp = add_head(add(add_head(add(spacy.blank("en"), one=toy), "ner"), two=other_toy), "textcat")
    nlp.initialize(lambda: make_examples(nlp))
    assert listeners(nlp) == [["ner"], ["textcat"]]
    assert learn(nlp) == [True, True] and nlp("chest pain").cats


@pytest.mark.parametrize("folder", ["toy", "other_toy"])
def test_encoder_that_comes_between_takes_the_head_over(toy, folder, request):
    nlp = add(spacy.blank("en"), one=toy)
    nlp.initialize()  # its width is known
    add_head(nlp)
    assert nlp.get_pipe("one").listening_components == ["textcat"]
    nlp.add_pipe("clinicalbert", name="two", before="textcat", config=encoder_config(request.getfixturevalue(folder)))
    nlp.initialize(lambda: make_examples(nlp))
    assert listeners(nlp) == [[], ["textcat"]]
    assert learn(nlp) == [False, True]
    with nlp.select_pipes(disable="two"), pytest.raises(ValueError, match="another encoder"):
        nlp("chest pain")


def test_encoder_of_another_width_behind_training_is_an_error(toy, other_toy):
    nlp = add_head(add(spacy.blank("en"), one=toy))
    nlp.initialize(lambda: make_examples(nlp))
    two = nlp.add_pipe("clinicalbert", name="two", before="textcat", config=encoder_config(other_toy))
    two.initialize(lambda: make_examples(nlp), nlp=nlp)
    with pytest.raises(ValueError, match="vectors of 16 numbers, and its head was made for 32"):
        nlp("chest pain")
    with pytest.raises(ValueError, match="vectors of 16 numbers, and its head was made for 32"):
        nlp.update(make_examples(nlp), sgd=Adam(0.01))


def told(caplog):
    return [record.getMessage() for record in caplog.records if "has learned from" in record.getMessage()]


@pytest.mark.parametrize("how", ["disable", "exclude"])
def test_head_is_told_of_that_gets_another_encoder_when_it_is_loaded(toy, tmp_path, caplog, how):
    nlp = add_head(add(spacy.blank("en"), one=toy, two=toy))
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "two")
    spacy.load(tmp_path / "two", **{how: "one"})("chest pain")
    assert not told(caplog)
    loaded = spacy.load(tmp_path / "two", **{how: "two"})
    (said,) = told(caplog)
    assert "'textcat' has learned from the vectors of the encoder 'two', and gets those of 'one' now" in said
    # It learns from that one, and is at home there.
    loaded.update(make_examples(loaded), sgd=Adam(0.01))
    loaded.to_disk(tmp_path / "one")
    caplog.clear()
    spacy.load(tmp_path / "one", **{how: "two"})
    assert not told(caplog)


def test_encoder_under_another_name_is_the_same(toy, tmp_path, caplog):
    nlp = add_head(add(spacy.blank("en"), one=toy))
    nlp.initialize(lambda: make_examples(nlp))
    nlp.rename_pipe("one", "renamed")
    sourced = spacy.blank("en")
    sourced.add_pipe("renamed", source=nlp, name="another")
    sourced.add_pipe("textcat", source=nlp)
    sourced.to_disk(tmp_path)
    spacy.load(tmp_path)("chest pain")
    assert not told(caplog)


def test_head_that_begins_anew_has_learned_from_none(toy, tmp_path, caplog):
    nlp = add_head(add(spacy.blank("en"), one=toy, two=toy))
    nlp.initialize(lambda: make_examples(nlp))
    nlp.remove_pipe("two")
    assert len(told(caplog)) == 1
    caplog.clear()
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path)
    spacy.load(tmp_path)("chest pain")
    assert not told(caplog)
