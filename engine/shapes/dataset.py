"""The small world as a dataset, as torchvision's are: pictures with what is to be said of them."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset

from convscope.engine.shapes.captions import caption
from convscope.engine.shapes.painting import Painting, paint
from convscope.engine.shapes.questions import Question, ask
from convscope.engine.shapes.scene import Scene, make_scene
from convscope.engine.shapes.vocabulary import LABELS

Task = Literal["class", "caption", "question"]


class ShapesDataset(Dataset[tuple[Any, Any]]):
    """Made when it is asked for; the same picture for the same seed and place, on every machine.

    Gives pairs of a picture, RGB of 64 x 64 pixels, and, by its task: the index in LABELS of its only large thing; its
    caption; or a Question. The truth about a picture: `scene`, and the masks of `painting`.
    """

    def __init__(self, count: int, *, task: Task, seed: int = 0, transform: Callable[[Any], Any] | None = None) -> None:
        """count: pictures. transform: of the picture. Raises ValueError for a negative count or seed, and a task that
        is none."""
        if task not in ("class", "caption", "question"):
            raise ValueError(f"task must be class, caption or question, not {task!r}")
        if count < 0 or seed < 0:
            raise ValueError(f"count and seed must be from 0, not {count} and {seed}")
        self.task = task
        self._count = count
        self._seed = seed
        self._transform = transform

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        image = self.painting(place).image
        return image if self._transform is None else self._transform(image), self.target(place)

    def scene(self, place: int) -> Scene:
        """What is there. Raises IndexError."""
        return make_scene(self._random(place, "scene"), large=1 if self.task == "class" else None)

    def painting(self, place: int) -> Painting:
        """How it looks, and where each thing is. Raises IndexError."""
        return paint(self.scene(place))

    def target(self, place: int) -> int | str | Question:
        """What is to be said of it. Raises IndexError."""
        scene = self.scene(place)
        if self.task == "class":
            return LABELS.index(f"{scene.largest.color} {scene.largest.shape}")
        return caption(scene) if self.task == "caption" else ask(scene, self._random(place, "question"))

    def _random(self, place: int, of: Literal["scene", "question"]) -> np.random.Generator:
        if not -self._count <= place < self._count:
            raise IndexError(f"place must be 0 to {self._count - 1}, not {place}")
        return np.random.default_rng([self._seed, place % self._count, of == "question"])
