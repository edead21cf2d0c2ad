import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForMaskedLM, BertConfig

from spacy_clinicalbert.encoder.checkpoints import load_tokenizer
from spacy_clinicalbert.pretraining.config import Encoder, Vocabulary
from spacy_clinicalbert.pretraining.model import MaskedLM, load_network, replace_rows
from spacy_clinicalbert.pretraining.vocabulary import learn_vocabulary, new_tokenizer
from tests.conftest import SIZES, WRITERS, write_bert
from tests.pretraining.conftest import sample_notes


def make_batch(n_vocabulary, length=24):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, n_vocabulary, (3, length), generator=generator)
    return ids, torch.where(torch.rand(ids.shape, generator=generator) < 0.3, ids.flip(0), -100)


def load(folder, **settings):
    encoder = Encoder(name=str(folder), dropout=0.0, attention_dropout=0.0, **settings)
    tokenizer = load_tokenizer(str(folder), lowercase=encoder.lowercase)
    return load_network(encoder, tokenizer, tokenizer)


def case_of(kind):
    return {"lowercase": False} if kind == "distilbert" else {}


@pytest.mark.parametrize("kind", list(WRITERS))
def test_loss_and_gradient_are_those_of_the_whole_head(kind, tmp_path):
    network, _ = load(WRITERS[kind](tmp_path / kind), **case_of(kind))
    ids, labels = make_batch(len(network.get_input_embeddings().weight))
    loss = network(input_ids=ids, labels=labels).loss
    loss.backward()
    expected = {name: weights.grad for name, weights in network.named_parameters()}
    network.zero_grad(set_to_none=True)
    found, _ = MaskedLM(network)(ids, labels)
    found = found / (labels != -100).sum()
    found.backward()
    assert torch.allclose(found, loss, rtol=1e-5)
    for name, weights in network.named_parameters():
        assert torch.allclose(weights.grad, expected[name], rtol=1e-3, atol=1e-6), name
    logits = network(input_ids=ids).logits  # the hook is out of the way
    assert logits.shape[:2] == ids.shape


@pytest.mark.parametrize("kind", list(WRITERS))
def test_fresh_head_is_tied_and_the_encoder_is_the_checkpoints(kind, tmp_path, caplog):
    from transformers import AutoModel

    folder = WRITERS[kind](tmp_path / kind)
    network, rates = load(folder, **case_of(kind))
    assert network.get_output_embeddings().weight is network.get_input_embeddings().weight
    weights = network.base_model.state_dict()
    for name, values in AutoModel.from_pretrained(folder).state_dict().items():
        assert "pooler" in name or torch.equal(values, weights[name]), name
    assert "has no head for masked wordpieces" in caplog.text
    assert rates and all(not rate for name, rate in network.config.to_dict().items() if name in rates)


def test_head_of_the_checkpoint_is_kept(tmp_path, caplog):
    folder = write_bert(tmp_path / "bert")
    torch.manual_seed(1)
    AutoModelForMaskedLM.from_config(BertConfig(**SIZES)).save_pretrained(folder)
    network, _ = load(folder)
    saved = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(values, saved[name]) for name, values in network.state_dict().items())
    assert "no head" not in caplog.text


def test_checkpoint_without_a_layer_is_an_error(tmp_path):
    folder = write_bert(tmp_path / "bert", num_hidden_layers=1)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"num_hidden_layers": 1', '"num_hidden_layers": 2'))
    with pytest.raises(ValueError, match="cannot be pretrained: it lacks"):
        load(folder)


@pytest.mark.parametrize("kind", list(WRITERS))
def test_new_rows_are_means_of_old_ones(kind, tmp_path):
    network, _ = load(WRITERS[kind](tmp_path / kind), **case_of(kind))
    old = network.get_input_embeddings().weight.detach().clone()
    bias = network.get_output_embeddings().bias
    with torch.no_grad():
        bias.copy_(torch.arange(len(bias)))
    replace_rows(network, [[3], [5, 7, 7], [], [9, 11]])
    inputs, outputs = network.get_input_embeddings().weight, network.get_output_embeddings()
    assert network.config.vocab_size == 4 and outputs.weight is inputs
    expected = torch.stack([old[3], (old[5] + 2 * old[7]) / 3, old.mean(0), (old[9] + old[11]) / 2])
    assert torch.allclose(inputs, expected, atol=1e-6)
    assert outputs.bias.tolist() == pytest.approx([3, 19 / 3, (len(old) - 1) / 2, 10], rel=1e-4)
    ids, labels = torch.tensor([[0, 1, 2, 3]]), torch.tensor([[-100, 2, -100, 1]])
    found, _ = MaskedLM(network)(ids, labels)
    assert torch.allclose(found / 2, network(input_ids=ids, labels=labels).loss, rtol=1e-5)


def test_new_rows_of_a_decoder_of_its_own(tmp_path):
    folder = write_bert(tmp_path / "bert", tie_word_embeddings=False)
    network, _ = load(folder)
    old = network.get_output_embeddings().weight.detach().clone()
    replace_rows(network, [[3], [5, 7]])
    inputs, outputs = network.get_input_embeddings().weight, network.get_output_embeddings().weight
    assert torch.allclose(outputs, torch.stack([old[3], (old[5] + old[7]) / 2])) and not torch.allclose(inputs, outputs)


def test_network_from_nothing():
    tokenizer = learn_vocabulary(new_tokenizer(True), sample_notes("train")[:5], Vocabulary(mode="replace", size=200))
    sizes = {name: value for name, value in SIZES.items() if name != "vocab_size"}
    network, _ = load_network(Encoder(config={"model_type": "bert", **sizes}, lowercase=True), None, tokenizer)
    assert network.config.vocab_size == len(tokenizer) and network.config.num_hidden_layers == 2


def test_next_sentence_has_a_loss_of_its_own(toy, tmp_path):
    tokenizer = load_tokenizer(toy)
    network, _ = load_network(
        Encoder(name=toy, dropout=0.0, attention_dropout=0.0), tokenizer, tokenizer, next_sentence=True
    )
    ids, labels = make_batch(400)
    types, answers = torch.zeros_like(ids), torch.tensor([0, 1, 1])
    types[:, 12:] = 1
    whole = network(input_ids=ids, token_type_ids=types, labels=labels, next_sentence_label=answers)
    masked, following = MaskedLM(network)(ids, labels, answers, token_type_ids=types)
    assert torch.allclose(masked / (labels != -100).sum() + following / 3, whole.loss, rtol=1e-5)
    assert torch.allclose(following, cross_entropy(whole.seq_relationship_logits, answers, reduction="sum"), rtol=1e-5)
    folder = WRITERS["distilbert"](tmp_path / "distilbert")
    tokenizer = load_tokenizer(str(folder), lowercase=False)
    with pytest.raises(ValueError, match="next_sentence = true wants a BERT"):
        load_network(Encoder(name=str(folder), lowercase=False), tokenizer, tokenizer, next_sentence=True)
