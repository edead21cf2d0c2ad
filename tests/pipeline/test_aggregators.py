import numpy
import pytest

from spacy_clinicalbert.pipeline import aggregators
from spacy_clinicalbert.pipeline.aggregators import Windows

MAKERS = {
    "mean": aggregators.mean,
    "max": aggregators.max_,
    "noisy_or": aggregators.noisy_or,
    "scaled_max_mean": aggregators.scaled_max_mean,
    "learned": lambda: aggregators.scaled_max_mean(c=3.0, learn=True),
    "attention": aggregators.attention,
}


def make_windows(seed=0):
    """Three docs of 3, 0 and 2 windows, two labels."""
    rng = numpy.random.default_rng(seed)
    weights = numpy.array([0.5, 0.3, 0.2, 0.4, 0.6], dtype="f")
    docs = numpy.array([0, 0, 0, 2, 2])
    probabilities = rng.uniform(0.1, 0.9, size=(5, 2)).astype("f")
    return Windows(probabilities, rng.normal(size=(5, 4)).astype("f"), weights, docs, 3)


def make(name, windows):
    model = MAKERS[name]()
    model.initialize(X=windows)
    for param in model.param_names:
        values = model.get_param(param)
        model.set_param(param, values + numpy.random.default_rng(1).normal(size=values.shape).astype("f"))
    return model


@pytest.mark.parametrize("name", MAKERS)
def test_gradient_is_that_of_differences(name):
    windows = make_windows()
    model = make(name, windows)
    d_notes = numpy.random.default_rng(2).normal(size=(3, 2)).astype("f")

    def loss(changed):
        return float((model.predict(changed) * d_notes).sum())

    _, backprop = model.begin_update(windows)
    d_probabilities, d_hidden = backprop(d_notes)
    step = 1e-3
    for field, gradient in (("probabilities", d_probabilities), ("hidden", d_hidden)):
        values = getattr(windows, field)
        for place in numpy.ndindex(values.shape):
            up, down = values.copy(), values.copy()
            up[place] += step
            down[place] -= step
            slope = (loss(windows._replace(**{field: up})) - loss(windows._replace(**{field: down}))) / (2 * step)
            assert (0 if gradient is None else gradient[place]) == pytest.approx(slope, abs=2e-3)
    for param in model.param_names:
        values = model.get_param(param).copy()
        for place in numpy.ndindex(values.shape):
            losses = []
            for sign in (1, -1):
                changed = values.copy()
                changed[place] += sign * step
                model.set_param(param, changed)
                losses.append(loss(windows))
            model.set_param(param, values)
            assert model.get_grad(param)[place] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=2e-3)


@pytest.mark.parametrize("name", MAKERS)
def test_notes_do_not_mix_and_one_without_windows_gets_nothing(name):
    windows = make_windows()
    model = make(name, windows)
    whole = model.predict(windows)
    alone = [each[3:] for each in windows[:3]]
    last = model.predict(Windows(*alone, numpy.array([0, 0]), 1))
    assert numpy.allclose(whole[2], last[0]) and not whole[1].any()
    assert ((whole >= 0) & (whole <= 1)).all()


def test_numbers():
    windows = make_windows()._replace(probabilities=numpy.array([[0.2], [0.5], [0.8], [0.1], [0.1]], dtype="f"))
    assert aggregators.mean().predict(windows)[:, 0] == pytest.approx([0.41, 0, 0.1])
    assert aggregators.max_().predict(windows)[:, 0] == pytest.approx([0.8, 0, 0.1])
    assert aggregators.noisy_or().predict(windows)[:, 0] == pytest.approx([0.92, 0, 0.19])
    # (0.8 + 0.41 · 3 / 2) / (1 + 3 / 2)
    assert aggregators.scaled_max_mean().predict(windows)[:, 0] == pytest.approx([0.566, 0, 0.1])


def test_attention_begins_as_the_mean_over_windows():
    windows = make_windows()
    model = aggregators.attention()
    model.initialize(X=windows)
    assert model.predict(windows)[0] == pytest.approx(windows.probabilities[:3].mean(axis=0))


def test_c_must_be_above_zero():
    with pytest.raises(ValueError, match="above 0"):
        aggregators.scaled_max_mean(c=0)
