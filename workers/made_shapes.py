"""Pictures of the small world, made as they are read, with what is known about each."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.shapes.captions import caption, words
from convscope.engine.shapes.dataset import ShapesDataset, Task
from convscope.engine.shapes.questions import Question
from convscope.v1.target_pb2 import AnswerTarget, CaptionTarget, Target
from convscope.workers.import_source import Source

TASKS: Mapping[str, Task] = {"classify": "class", "caption": "caption", "vqa": "question"}
"""What a model's task is called in the dataset."""


@dataclass(frozen=True)
class MadeAnnotation:
    """What is asked of a picture."""

    id: str
    target: Target
    mask: bytes
    """PNG; empty where the answer is that nothing is there."""


class MadeShapes(Source):
    """The same pictures for the same seed, on every machine."""

    def __init__(self, task: str, count: int, seed: int) -> None:
        """task: of TASKS."""
        self._world = ShapesDataset(count, task=TASKS[task], seed=seed)
        self.names = [f"shapes-{task}-{seed}-{place:05}.png" for place in range(count)]
        self._places = {name: place for place, name in enumerate(self.names)}

    def read(self, name: str) -> bytes:
        return _png(self._world.painting(self._places[name]).image)

    def annotations(self, name: str) -> list[MadeAnnotation]:
        """Of a classifier's picture its largest thing; of a captioner's each thing, by the word for its shape; of
        others a question."""
        place, stem = self._places[name], name.removesuffix(".png")
        scene, masks = self._world.scene(place), self._world.painting(place).masks
        if self._world.task == "class":
            thing = scene.largest
            target = Target(class_label=f"{thing.color} {thing.shape}")
            return [MadeAnnotation(stem, target, _mask(masks[scene.things.index(thing)]))]
        if self._world.task == "caption":
            text, said = caption(scene), words(scene)
            return [
                MadeAnnotation(f"{stem}-{position}", _word(text, position), _mask(masks[thing]))
                for position, (word, thing) in enumerate(said)
                if thing is not None and word == scene.things[thing].shape
            ]
        question = self._world.target(place)
        assert isinstance(question, Question)
        target = Target(answer=AnswerTarget(question=question.text, answer=question.answer))
        evidence = list(question.evidence)
        return [MadeAnnotation(stem, target, _mask(np.logical_or.reduce(masks[evidence])) if evidence else b"")]


def _word(text: str, position: int) -> Target:
    return Target(caption=CaptionTarget(text=text, position=position))


def _mask(mask: NDArray[np.bool_]) -> bytes:
    return _png(Image.fromarray(mask.astype(np.uint8) * 255))


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
