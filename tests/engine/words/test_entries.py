"""Networks of words in a team's own catalogue: what they say of themselves, and what cannot be."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convscope.engine.errors import CatalogueError, ModelUnloadable
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.words.tokenizer import WordTokenizer

WORDS = ("what", "is", "it")
HERE = __name__


class Answering(nn.Module):
    """Adds what it reads to what it sees."""

    def __init__(self, answers: int = 2) -> None:
        super().__init__()
        self.eye = nn.Conv2d(3, answers, 3, stride=4)
        self.read = nn.Embedding(len(WORDS) + 1, answers)

    def forward(self, images: Tensor, words: Tensor) -> Tensor:
        scores: Tensor = self.eye(images).relu().mean((2, 3)) + self.read(words).sum(1)
        return scores


class Outspoken(Answering):
    """Says what it is."""

    task = "vqa"
    tokenizer = WordTokenizer(WORDS)
    labels = ("yes", "no")


class Misunderstood(nn.Module):
    """A classifier whose attributes mean something else to its team."""

    task = "segmentation"
    tokenizer = "bpe"
    preprocessing = nn.Identity()
    labels = torch.zeros(3)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, stride=8)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.features(images).mean((2, 3))
        return scores


class Recurrent(nn.Module):
    """A classifier that reads its rows one after the other, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.eye = nn.Conv2d(3, 6, 5, stride=8)
        self.rnn = nn.GRU(6, 5, num_layers=2, dropout=0.5, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        _, last = self.rnn(self.eye(images).mean(3).transpose(1, 2))
        scores: Tensor = last[-1]
        return scores


def no_tokenizer() -> str:
    return "none"


def load(tmp_path: Path, network: str, **fields: str) -> Model:
    lines = [f"{name} = {value}" for name, value in fields.items()]
    path = tmp_path / "catalogue.toml"
    head = ["[[models]]", 'name = "ours"', 'source = "factory"', f'network = "{HERE}:{network}"']
    path.write_text("\n".join([*head, *lines]))
    return Catalogue.read(path).load("ours")


def test_a_network_says_what_it_is(tmp_path: Path) -> None:
    model = load(tmp_path, "Outspoken")
    assert (model.task, list(model.labels)) == ("vqa", ["yes", "no"])
    assert model.tokenizer is Outspoken.tokenizer
    with torch.no_grad():
        images, words = torch.ones(1, 3, 224, 224), torch.tensor([[1, 2, 3]])
        assert model.network is not None
        torch.testing.assert_close(model.reading(words)(images), model.network(images, words))


def test_the_entry_has_the_last_word(tmp_path: Path) -> None:
    model = load(tmp_path, "Outspoken", labels='["ja", "nein"]', tokenizer='["was", "ist", "das"]')
    assert list(model.labels) == ["ja", "nein"]
    assert model.tokenizer is not None
    assert model.tokenizer.encode("was ist das?", field="question") == [1, 2, 3]
    assert model.tokenizer.digest != Outspoken.tokenizer.digest
    assert load(tmp_path, "Answering", task='"vqa"', tokenizer='["a", "b", "c"]').labels[1] == "1"


def test_words_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("\n".join(WORDS))
    model = load(tmp_path, "Answering", task='"vqa"', tokenizer='"words.txt"')
    assert model.tokenizer is not None
    assert model.tokenizer.digest == WordTokenizer(WORDS).digest


def test_attributes_that_mean_something_else_are_left_alone(tmp_path: Path) -> None:
    model = load(tmp_path, "Misunderstood")
    assert (model.task, model.tokenizer, model.has_labels) == ("classify", None, False)


def test_gradients_go_through_what_is_recurrent(tmp_path: Path) -> None:
    """cuDNN's, too, which has them in training mode only; there is no dropout in it then."""
    torch.manual_seed(0)
    model = load(tmp_path, "Recurrent")
    rnn = model.module.get_submodule("rnn")
    assert isinstance(rnn, nn.GRU)
    assert (rnn.training, rnn.dropout, model.module.training) == (True, 0.0, False)
    images = torch.randn(2, 3, 224, 224)
    first = model.module(images)
    assert torch.equal(first, model.module(images))
    again = model.module.eval()(images)
    torch.testing.assert_close(first, again)


@pytest.mark.cuda
def test_an_answer_has_a_gradient_on_the_gpu() -> None:
    from convscope.engine.attribution.attribute import attribute

    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    here, there = (Catalogue.read().load("shapes_vqa", device=device) for device in ("cpu", "cuda"))
    images, words = torch.randn(2, 3, 64, 64), torch.tensor([[1, 2, 3]])
    expected = attribute(here.reading(words), images, 0, "saliency")
    found = attribute(there.reading(words), images.cuda(), 0, "saliency").cpu()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4 * float(expected.max()))


BAD = {
    "a tokenizer of a classifier": ("Misunderstood", {"task": '"classify"', "tokenizer": '["a"]'}, "has no tokenizer"),
    "no tokenizer": ("Answering", {"task": '"vqa"'}, "needs a tokenizer"),
    "no file": ("Answering", {"task": '"vqa"', "tokenizer": '"nowhere.txt"'}, "there is no tokenizer file"),
    "a file of a long name": ("Answering", {"task": '"vqa"', "tokenizer": f'"{"x" * 5000}"'}, "no tokenizer file"),
    "no factory": ("Answering", {"task": '"vqa"', "tokenizer": '"nowhere:make"'}, "cannot be imported"),
    "a factory of something else": (
        "Answering", {"task": '"vqa"', "tokenizer": f'"{HERE}:no_tokenizer"'}, "gave a str, no Tokenizer",
    ),
    "a word twice": ("Answering", {"task": '"vqa"', "tokenizer": '["a", "A"]'}, "each word once"),
    "no captioner": ("Answering", {"task": '"caption"', "tokenizer": '["a"]'}, "is no Captioner"),
    "an unknown task": ("Answering", {"task": '"translate"'}, "task"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_said(tmp_path: Path, name: str) -> None:
    network, fields, words = BAD[name]
    with pytest.raises((CatalogueError, ModelUnloadable), match=words) as caught:
        load(tmp_path, network, **fields)
    assert "ours" in caught.value.message


def test_answers_of_two_tokenizers_are_told_apart() -> None:
    """Of the same weights: a cached answer is one to the same words."""
    assert WordTokenizer(("a", "b")).digest != WordTokenizer(("b", "a")).digest
