"""Hugging Face's captioners and question answerers, of tiny random configurations: no hub is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from convscope.engine.attribution.attribute import attribute
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.errors import ConvscopeError, InvalidInput
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.words.captioner import Captioner, caption

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "red", "cat", "dog", "sat", "what", "is", "it"]
SIDE = 32


def pictures(count: int) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """As save_pretrained() leaves them."""
    made = FastTokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    fast: Any = transformers.PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=made, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")
    small: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }
    torch.manual_seed(0)
    sees = transformers.ViTConfig(**small, image_size=SIDE, patch_size=8)
    decoder: Any = transformers.GPT2Config
    says = decoder(
        n_embd=16, n_layer=1, n_head=2, vocab_size=len(WORDS), n_positions=80, bos_token_id=1, eos_token_id=2,
        add_cross_attention=True, is_decoder=True,
    )  # fmt: skip
    captions = transformers.VisionEncoderDecoderModel(
        transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(sees, says)
    )
    answers = transformers.ViltForQuestionAnswering(
        transformers.ViltConfig(
            **small, image_size=SIDE, patch_size=8, vocab_size=len(WORDS), max_position_embeddings=80,
            id2label={0: "yes", 1: "no", 2: "two"}, label2id={"yes": 0, "no": 1, "two": 2},
        )
    )  # fmt: skip
    found = {}
    for name, model in (("captioner", captions), ("answerer", answers)):
        found[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(found[name])
        tokenizer.save_pretrained(found[name])
        said = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
        (found[name] / "preprocessor_config.json").write_text(json.dumps(said))
    return found


def load(folders: dict[str, Path], name: str, tmp_path: Path) -> Model:
    path = tmp_path / "catalogue.toml"
    path.write_text(
        f'[[models]]\nname = "ours"\nsource = "factory"\n'
        f'network = "convscope.engine.words.hugging_face:{name}"\narguments = {{ folder = "{folders[name]}" }}\n'
    )
    return Catalogue.read(path).load("ours")


def test_a_captioner_says_what_transformers_generates(folders: dict[str, Path], tmp_path: Path) -> None:
    model = load(folders, "captioner", tmp_path)
    assert model.task == "caption"
    assert (model.preprocessing.height, model.preprocessing.std) == (SIDE, (0.25,) * 3)
    network = model.network
    assert isinstance(network, Captioner)
    images = pictures(3)
    tokens, _ = caption(network, images, most=6)
    with torch.no_grad():
        expected = network.model.generate(  # type: ignore[operator, union-attr]
            pixel_values=images, max_new_tokens=6, do_sample=False, num_beams=1, decoder_start_token_id=1
        )
    for found, right in zip(tokens.tolist(), expected.tolist(), strict=True):
        spoken = [*right[1:], network.end]
        spoken = spoken[: spoken.index(network.end)]
        assert found[: len(spoken)] == spoken


def test_an_answerer_answers_as_transformers_does_whatever_stands_beside(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    model = load(folders, "answerer", tmp_path)
    assert model.task == "vqa"
    assert list(model.labels) == ["yes", "no", "two"]
    assert model.tokenizer is not None
    network, end = model.network, model.tokenizer.end
    assert network is not None
    asked = [model.tokenizer.encode(text, field="question") for text in ("what is it", "a red cat sat")]
    length = max(map(len, asked))
    together = torch.tensor([[*tokens, *[end] * (length - len(tokens))] for tokens in asked])
    images = pictures(2)
    with torch.no_grad():
        found = network(images, together)
        for row, tokens in enumerate(asked):
            ids = torch.tensor([[1, *tokens, 2]])
            bare = network.model(  # type: ignore[operator]
                input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=images[row : row + 1],
                pixel_mask=torch.ones(1, SIDE, SIDE, dtype=torch.int64),
            ).logits  # fmt: skip
            torch.testing.assert_close(found[row : row + 1], bare, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["captioner", "answerer"])
def test_words_are_explained_by_gradients(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    model = load(folders, name, tmp_path)
    assert model.tokenizer is not None
    words = torch.tensor([[*model.tokenizer.encode("a red cat", field="text"), model.tokenizer.end]])
    values = attribute(model.reading(words), pictures(2), ClassTarget((1,), output="score"), "saliency")
    assert values.shape == (2, 1, SIDE, SIDE)
    assert (values > 0).any()


def test_a_sentence_without_words_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    model = load(folders, "captioner", tmp_path)
    assert model.tokenizer is not None
    with pytest.raises(InvalidInput) as caught:
        model.tokenizer.encode("  ", field="text")
    assert (caught.value.field, caught.value.reason) == ("text", "SENTENCE_EMPTY")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match="there is no folder"):
        load({"captioner": tmp_path / "nowhere"}, "captioner", tmp_path)
