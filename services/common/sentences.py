"""Captions and questions of requests: what a model of words is given, and which part of it is explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from convscope.engine.attribution.target import ClassTarget
from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.models.model import Model
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget

MAX_BEAMS = 16


@dataclass(frozen=True)
class Sentence:
    """A caption or a question."""

    kind: Literal["caption", "question"]
    words: tuple[str, ...]
    tokens: tuple[int, ...]
    """Of a caption with its end."""

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class CaptionPart:
    """What of a caption is explained, which may not be known yet."""

    part: int | str | None
    """A word by its place, or itself; None: the whole caption."""
    path: str
    """Where it stands in the request."""
    each_word: bool = False
    """Every word by itself."""

    def targets(self, caption: Sentence) -> list[ClassTarget]:
        """Words are to a captioner what classes are to a classifier. Raises InvalidInput, UnknownName."""
        if not self.each_word:
            return [self._target(caption)]
        if not caption.words:
            message = "the model's caption of this picture has no words"
            raise InvalidInput(message, field="image", reason="SENTENCE_EMPTY")
        return [ClassTarget((place,), output="score") for place in range(len(caption.words))]

    def _target(self, caption: Sentence) -> ClassTarget:
        if self.part is None:
            return ClassTarget(tuple(range(len(caption.tokens))), output="score")
        if isinstance(self.part, str):
            words = [word.casefold() for word in caption.words]
            if self.part.casefold() not in words:
                raise UnknownName("word", self.part, caption.words, field=f"{self.path}.word")
            return ClassTarget((words.index(self.part.casefold()),), output="score")
        if not 0 <= self.part < len(caption.words):
            message = f"the caption has words 0 to {len(caption.words) - 1}, not {self.part}"
            raise InvalidInput(message, field=f"{self.path}.position", reason="OUT_OF_RANGE")
        return ClassTarget((self.part,), output="score")


def check_caption(target: CaptionTarget, model: Model, path: str) -> tuple[CaptionPart, Sentence | None, int]:
    """The part that is explained, the caption where it is given, and beams where it is not. Raises InvalidInput."""
    model.check_task("caption", field=path)
    beams = check_beams(target.beams, field=f"{path}.beams")
    named = target.WhichOneof("part")
    part = CaptionPart(getattr(target, named) if named else None, path)
    if not target.text:
        return part, None, beams
    return part, given_caption(target.text, model, field=f"{path}.text"), 0


def check_beams(beams: int, *, field: str) -> int:
    """Raises InvalidInput."""
    if not 0 <= beams <= MAX_BEAMS:
        raise InvalidInput(f"beams must be 1 to {MAX_BEAMS}, not {beams}", field=field, reason="OUT_OF_RANGE")
    return beams or 1


def check_answer(target: AnswerTarget, model: Model, path: str) -> tuple[ClassTarget, Sentence]:
    """The answer that is explained, and the question. Raises InvalidInput, UnknownName."""
    model.check_task("vqa", field=path)
    question = given_question(target.question, model, field=f"{path}.question")
    if not target.answer:
        return ClassTarget(), question
    return ClassTarget((model.labels.index_of(target.answer, field=f"{path}.answer"),)), question


def given_question(text: str, model: Model, *, field: str) -> Sentence:
    """Raises InvalidInput, UnknownName."""
    assert model.tokenizer is not None
    tokens = model.tokenizer.encode(text, field=field)
    return Sentence("question", tuple(model.tokenizer.decode(tokens)), tuple(tokens))


def given_caption(text: str, model: Model, *, field: str) -> Sentence:
    """Raises InvalidInput, UnknownName."""
    assert model.tokenizer is not None
    return _caption(model, model.tokenizer.encode(text, field=field))


def said_caption(tokens: Sequence[int], model: Model) -> Sentence:
    """What the model itself gave, with its end."""
    assert model.tokenizer is not None
    end = model.tokenizer.end
    return _caption(model, tokens[: list(tokens).index(end)] if end in tokens else tokens)


def _caption(model: Model, tokens: Sequence[int]) -> Sentence:
    assert model.tokenizer is not None
    return Sentence("caption", tuple(model.tokenizer.decode(tokens)), (*tokens, model.tokenizer.end))
