"""Many pictures of the small world at once, made by as many processes as there are cores."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.shapes.captions import caption
from convscope.engine.shapes.dataset import ShapesDataset, Task
from convscope.engine.shapes.networks.eye import GRID
from convscope.engine.shapes.networks.reading import PREPROCESSING
from convscope.engine.shapes.painting import Painting, paint
from convscope.engine.shapes.questions import Question, choose, questions
from convscope.engine.shapes.scene import SIDE, Scene, Thing
from convscope.engine.shapes.vocabulary import LABELS

CHUNK = 500
KINDS = 1 + 2 * len(LABELS)
"""Of what a place of the eye's grid may show: nothing, or a large or a small thing of a class."""
COVERED = 0.25
"""Part of a place that a thing covers which is said to be there."""


@dataclass(frozen=True)
class Examples:
    """Pictures with what is to be said of each."""

    images: Tensor
    """uint8 [N, 3, 64, 64]."""
    places: Tensor
    """What is at each place of the eye's grid, one of KINDS: uint8 [N, GRID, GRID]."""
    labels: Tensor
    """Of the largest thing, int64 [N]."""
    captions: list[str]
    questions: list[list[Question]]
    """About each picture; of a dataset of questions its own first."""

    def __len__(self) -> int:
        return len(self.images)

    def inputs(self, places: Tensor) -> Tensor:
        """Some pictures as the networks take them."""
        return PREPROCESSING.normalize(self.images[places])


def make_examples(task: Task, count: int, *, seed: int, asked: int = 1) -> Examples:
    """The pictures of ShapesDataset(count, task=task, seed=seed). asked: questions about each picture."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        starts = range(0, count, CHUNK)
        arguments = zip(*((task, count, seed, asked, start) for start in starts), strict=True)
        parts = list(processes.map(_make, *arguments))
    return Examples(
        torch.cat([torch.from_numpy(images) for images, *_ in parts]).permute(0, 3, 1, 2),
        torch.cat([torch.from_numpy(places) for _, places, *_ in parts]),
        torch.tensor([label for _, _, labels, *_ in parts for label in labels]),
        [said for *_, captions, _ in parts for said in captions],
        [asked for *_, each in parts for asked in each],
    )


Part = tuple[NDArray[np.uint8], NDArray[np.uint8], list[int], list[str], list[list[Question]]]


def _make(task: Task, count: int, seed: int, count_each: int, start: int) -> Part:
    dataset = ShapesDataset(count, task=task, seed=seed)
    places = range(start, min(start + CHUNK, count))
    scenes = [dataset.scene(place) for place in places]
    paintings = [paint(scene) for scene in scenes]
    return (
        np.stack([np.asarray(painting.image) for painting in paintings]),
        np.stack([_places(scene, painting) for scene, painting in zip(scenes, paintings, strict=True)]),
        [LABELS.index(f"{scene.largest.color} {scene.largest.shape}") for scene in scenes],
        [caption(scene) for scene in scenes],
        [_ask(dataset, scene, place, seed, count_each) for place, scene in zip(places, scenes, strict=True)],
    )


def _places(scene: Scene, painting: Painting) -> NDArray[np.uint8]:
    side = SIDE // GRID
    covered = painting.masks.reshape(-1, GRID, side, GRID, side).mean(axis=(2, 4))
    kinds = np.array([_kind(thing) for thing in scene.things], np.uint8)
    return np.where(covered.max(axis=0) >= COVERED, kinds[covered.argmax(axis=0)], 0).astype(np.uint8)


def _kind(thing: Thing) -> int:
    return 1 + 2 * LABELS.index(f"{thing.color} {thing.shape}") + (thing.size == "small")


def _ask(dataset: ShapesDataset, scene: Scene, place: int, seed: int, count: int) -> list[Question]:
    more = np.random.default_rng([seed, place, 2])
    first = dataset.target(place)
    own = [first] if isinstance(first, Question) else []
    every = questions(scene)
    return [*own, *(choose(every, more) for _ in range(count - len(own)))]
