import copy
import pickle

import pytest
import torch

from spacy_clinicalbert.encoder.dropout import Dropout, replace_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate, dtype):
    torch.manual_seed(0)
    x = torch.ones(333, 1001, dtype=dtype, requires_grad=True)
    y = Dropout(rate)(x)
    assert y.dtype == dtype and y.shape == x.shape
    dropped = (y == 0).float()
    # Within five standard deviations, over all and in each of the four places that share a random number.
    for part in (dropped.flatten(), *(dropped.flatten()[i::4] for i in range(4))):
        assert float(part.mean()) == pytest.approx(rate, abs=5 * (rate * (1 - rate) / part.numel()) ** 0.5)
    assert float(y.detach().float().mean()) == pytest.approx(1, rel=0.02)
    y.sum().backward()
    assert x.grad is not None and x.grad.equal(y.detach())  # a gradient of one, dropped and scaled alike


def test_dropout_follows_torchs_seed():
    x = torch.ones(7, 5)
    torch.manual_seed(3)
    first, second = Dropout(0.5)(x), Dropout(0.5)(x)
    torch.manual_seed(3)
    assert Dropout(0.5)(x).equal(first) and not first.equal(second)


@pytest.mark.parametrize("rate, expected", [(0.0, 1.0), (1.0, 0.0), (1e-6, 1.0)])
def test_dropout_of_nothing_and_of_everything(rate, expected):
    x = torch.ones(20, 20)
    assert torch.allclose(Dropout(rate)(x), torch.full_like(x, expected), atol=1e-5)


def test_dropout_does_nothing_in_prediction_and_on_empty_arrays():
    x = torch.randn(4, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.5)(torch.empty(0, 4)).shape == (0, 4)


def test_replace_dropout_keeps_rates_modes_and_weights():
    network = torch.nn.Sequential(
        torch.nn.Linear(2, 2), torch.nn.Dropout(0.3), torch.nn.Sequential(torch.nn.Dropout(0.2))
    )
    keys = list(network.state_dict())
    network.eval()
    replace_dropout(network)
    found = [module for module in network.modules() if isinstance(module, torch.nn.Dropout)]
    assert [(type(module), module.p, module.training) for module in found] == [
        (Dropout, 0.3, False),
        (Dropout, 0.2, False),
    ]
    assert list(network.state_dict()) == keys
    assert pickle.loads(pickle.dumps(network))[1].p == copy.deepcopy(network)[1].p == 0.3
