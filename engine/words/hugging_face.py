"""Captioners and networks that answer questions from Hugging Face transformers (the extra `transformers`).

As entries of a catalogue, from folders that save_pretrained() has written; nothing is downloaded:

    [[models]]
    name = "our_captioner"
    source = "factory"
    network = "convscope.engine.words.hugging_face:captioner"
    arguments = { folder = "/models/vit-gpt2" }
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.words.captioner import Captioner
from convscope.engine.words.task import Task
from convscope.engine.words.tokenizer import check_words


class SubwordTokenizer:
    """A tokenizer of Hugging Face's: a word may be several tokens, each of which counts as one here."""

    def __init__(self, tokenizer: Any, end: int) -> None:
        """tokenizer: a PreTrainedTokenizerBase. end: the token that ends a sentence."""
        self._tokenizer = tokenizer
        self.end = end
        self.digest = hashlib.sha256(json.dumps(tokenizer.get_vocab(), sort_keys=True).encode()).hexdigest()

    def encode(self, sentence: str, *, field: str) -> list[int]:
        tokens: list[int] = self._tokenizer(sentence.strip(), add_special_tokens=False)["input_ids"]
        return check_words(tokens, field=field)

    def decode(self, tokens: Sequence[int]) -> list[str]:
        spoken = list(tokens)
        if self.end in spoken:
            spoken = spoken[: spoken.index(self.end)]
        return [self._tokenizer.decode([token]).strip() for token in spoken]


class EncoderDecoderCaptioner(Captioner):
    """A VisionEncoderDecoderModel, such as ViT and GPT-2."""

    task: Task = "caption"

    def __init__(self, model: Any, tokenizer: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model: Any = model
        self.preprocessing = preprocessing
        settings = self.model.config.decoder
        start = getattr(self.model.generation_config, "decoder_start_token_id", None)
        self._start = settings.bos_token_id if start is None else start
        self.end = settings.eos_token_id
        self.tokenizer = SubwordTokenizer(tokenizer, self.end)

    def see(self, images: Tensor) -> Tensor:
        seen: Tensor = self.model.encoder(pixel_values=images).last_hidden_state
        if hasattr(self.model, "enc_to_dec_proj"):
            seen = self.model.enc_to_dec_proj(seen)
        return seen

    def say(self, seen: Tensor, words: Tensor) -> Tensor:
        begun = nn.functional.pad(words, (1, 0), value=self._start)
        scores: Tensor = self.model.decoder(input_ids=begun, encoder_hidden_states=seen, use_cache=False).logits
        return scores


class QuestionAnswerer(nn.Module):
    """A ViltForQuestionAnswering: pictures and tokens to scores of its answers."""

    task: Task = "vqa"

    def __init__(self, model: Any, tokenizer: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model: Any = model
        self.preprocessing = preprocessing
        self.labels = [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]
        self._first, end = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.tokenizer = SubwordTokenizer(tokenizer, end)

    def forward(self, images: Tensor, words: Tensor) -> Tensor:
        """[N, 3, H, W] and [N, L], the end behind each, to [N, answers]."""
        asked = nn.functional.pad(nn.functional.pad(words, (1, 0), value=self._first), (0, 1), value=self.tokenizer.end)
        ends = (asked == self.tokenizer.end).cumsum(dim=1)
        mask = (ends == 0) | ((ends == 1) & (asked == self.tokenizer.end))
        height, width = images.shape[2:]
        pixels = torch.ones(len(images), height, width, dtype=torch.int64, device=images.device)
        scores: Tensor = self.model(
            input_ids=asked, attention_mask=mask.long(), pixel_values=images, pixel_mask=pixels
        ).logits
        return scores


def captioner(folder: str) -> EncoderDecoderCaptioner:
    """A VisionEncoderDecoderModel with its tokenizer and image processor. Raises OSError."""
    from transformers import VisionEncoderDecoderModel

    model = VisionEncoderDecoderModel.from_pretrained(_local(folder), local_files_only=True)
    return EncoderDecoderCaptioner(model, *_with(folder))


def answerer(folder: str) -> QuestionAnswerer:
    """A ViltForQuestionAnswering with its tokenizer and image processor. Raises OSError."""
    from transformers import ViltForQuestionAnswering

    return QuestionAnswerer(
        ViltForQuestionAnswering.from_pretrained(_local(folder), local_files_only=True), *_with(folder)
    )


def _with(folder: str) -> tuple[Any, Preprocessing]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    said = json.loads((Path(folder) / "preprocessor_config.json").read_text(encoding="utf-8"))
    size = said.get("size", 224)
    height, width = (
        (size.get("height") or size["shortest_edge"], size.get("width") or size["shortest_edge"])
        if isinstance(size, dict)
        else (size, size)
    )
    return tokenizer, Preprocessing(
        resize=max(height, width),
        height=height,
        width=width,
        mean=tuple(said.get("image_mean", (0.5,) * 3)),
        std=tuple(said.get("image_std", (0.5,) * 3)),
    )


def _local(folder: str) -> str:
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    return folder
