"""An executor of its own, a small model, and every pass that it makes."""

import threading
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine import attribute
from convscope.engine.attribution.methods import find_method
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.model import Model
from convscope.services.attribution.executor import Executor
from convscope.services.attribution.work import Ask, Result, Task, Work
from tests.services.team.networks import CLASSES, SIZE, Guarded

SECONDS = 10.0
LAYER = "features.3"
"""Where Grad-CAM looks."""


def ask(name: str, layer: str = "", **parameters: Any) -> Ask:
    return Ask(name, *find_method(name, parameters | ({"layer": layer} if layer else {})), layer)


CLASSIFY = Task()
SALIENCY = Task((ask("saliency"),))
SIGNED = Task((ask("saliency", abs=False),))
GRAD_CAM = Task((ask("grad_cam", LAYER, relu=False),))


def rise(masks: int) -> Task:
    """Long work: a pass for the picture, then internal batches of sixteen masks."""
    return Task((ask("rise", masks=masks),))


class Passes:
    """Every pass of a network, by the numbers of its pictures; one of them can be held."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.seen: list[list[int]] = []
        self.held_pass = -1
        """The place of the pass to hold; -1: that with picture 0."""
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        module.register_forward_pre_hook(self._note)

    def _note(self, _: torch.nn.Module, arguments: tuple[Tensor]) -> None:
        numbers = [int(value) for value in arguments[0][:, 0, 0, 1].tolist()]
        self.seen.append(numbers)
        if len(self.seen) - 1 == self.held_pass if self.held_pass >= 0 else 0 in numbers:
            self.begun.set()
            assert self.may_go_on.wait(SECONDS)

    @property
    def sizes(self) -> list[int]:
        return [len(numbers) for numbers in self.seen]


def picture(number: int, first: float = 0.0) -> Tensor:
    """A preprocessed picture that carries its number."""
    image = torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(number))
    image[0, 0, :2] = torch.tensor([first, number])
    return image


def load(seed: int) -> Model:
    """A small model of its own."""
    size = {"resize": SIZE, "height": SIZE, "width": SIZE}
    network = "tests.services.team.networks:guarded"
    entry = Entry(name="small", source="factory", network=network, preprocessing=size, seed=seed)
    return Catalogue({"small": entry}).load("small")


class Bench:
    """A small model, its passes, and executors."""

    def __init__(self) -> None:
        self.model = load(5)
        self.passes = Passes(self.model.module)
        self.started: list[Executor] = []

    def start(self, **settings: Any) -> Executor:
        """An executor that is closed after the test."""
        self.started.append(Executor(**{"max_batch": 16} | settings))
        return self.started[-1]

    def work(self, number: int, task: Task = SALIENCY, *, first: float = 0.0, **rest: Any) -> Work:
        """Of the picture of that number, for the class that the number decides."""
        targets = (ClassTarget((number % CLASSES,)),) * len(task.asks)
        return Work(self.model, task, picture(number, first), targets, **rest)

    def hold(self, executor: Executor) -> "Future[Result]":
        """Hold the executor in the middle of the pass of picture 0, until let_go()."""
        self.passes.begun.clear()
        self.passes.may_go_on.clear()
        first = executor.submit(self.work(0))
        assert self.passes.begun.wait(SECONDS)
        return first

    def hold_pass(self, place: int) -> None:
        """Hold the pass of that place, from 0, until let_go()."""
        self.passes.begun.clear()
        self.passes.may_go_on.clear()
        self.passes.held_pass = place

    def wait_until_held(self) -> None:
        assert self.passes.begun.wait(SECONDS)

    def let_go(self) -> None:
        self.passes.may_go_on.set()

    def carries(self, count: int) -> None:
        """From now on the memory carries so many pictures."""
        assert isinstance(self.model.module, Guarded)
        self.model.module.carries = count

    def assert_right(self, found: "Future[Result]", number: int, task: Task = SALIENCY) -> None:
        assert_right(found, self.model, number, task)


def expected(model: Model, number: int, task: Task = SALIENCY) -> NDArray[np.float32]:
    """What the engine says of the picture alone."""
    (asked,) = task.asks
    images = picture(number).unsqueeze(0)
    found = attribute(model.module, images, number % CLASSES, asked.method_name, **asked.parameters.model_dump())
    return found[0].numpy()


def assert_right(found: "Future[Result]", model: Model, number: int, task: Task = SALIENCY) -> None:
    (answer,) = found.result(SECONDS).answers
    values = expected(model, number, task)
    assert values.any()
    np.testing.assert_allclose(answer.values, values, rtol=0, atol=2e-5 * np.abs(values).max())
    assert answer.target == ClassTarget((number % CLASSES,))
