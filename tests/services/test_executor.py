"""The executor: one thread for all models, batches of what has queued up, no pass for nobody."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine import attribute
from convscope.engine.attribution.grad_cam import GradCamParameters
from convscope.engine.attribution.method import TOP_CLASS
from convscope.engine.attribution.methods import METHODS
from convscope.engine.attribution.saliency import SaliencyParameters
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.model import Model
from convscope.services.attribution.executor import Executor, Result, Task, Work
from convscope.services.common.errors import ServerStopping
from tests.services.team.networks import CLASSES, CURSED, SIZE, Guarded

SECONDS = 10.0
CLASSIFY = Task()
SALIENCY = Task("saliency", METHODS["saliency"], SaliencyParameters())
SIGNED = Task("saliency", METHODS["saliency"], SaliencyParameters(abs=False))
GRAD_CAM = Task("grad_cam", METHODS["grad_cam"], GradCamParameters(relu=False))


class Passes:
    """Every pass of a network, by the numbers of its pictures; the pass with picture 0 can be held."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.seen: list[list[int]] = []
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        module.register_forward_pre_hook(self._note)

    def _note(self, _: torch.nn.Module, arguments: tuple[Tensor]) -> None:
        numbers = [int(value) for value in arguments[0][:, 0, 0, 1].tolist()]
        self.seen.append(numbers)
        if 0 in numbers:
            self.begun.set()
            assert self.may_go_on.wait(SECONDS)


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

    def work(self, number: int, task: Task = SALIENCY, *, first: float = 0.0, deadline: float | None = None) -> Work:
        return Work(self.model, task, picture(number, first), number % CLASSES, deadline)

    def hold(self, executor: Executor) -> "Future[Result]":
        """Hold the executor in the middle of the pass of picture 0, until let_go()."""
        self.passes.begun.clear()
        self.passes.may_go_on.clear()
        first = executor.submit(self.work(0))
        assert self.passes.begun.wait(SECONDS)
        return first

    def let_go(self) -> None:
        self.passes.may_go_on.set()

    def carries(self, count: int) -> None:
        """From now on the memory carries so many pictures."""
        assert isinstance(self.model.module, Guarded)
        self.model.module.carries = count

    def assert_right(self, found: "Future[Result]", number: int, task: Task = SALIENCY) -> None:
        assert_right(found, self.model, number, task)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.let_go()
    for executor in bench.started:
        executor.close()


def expected(model: Model, number: int, task: Task = SALIENCY) -> NDArray[np.float32]:
    """What the engine says of the picture alone."""
    assert task.parameters is not None
    images = picture(number).unsqueeze(0)
    found = attribute(model.module, images, number % CLASSES, task.method_name, **task.parameters.model_dump())
    return found[0].numpy()


def assert_right(found: "Future[Result]", model: Model, number: int, task: Task = SALIENCY) -> None:
    result = found.result(SECONDS)
    values = expected(model, number, task)
    assert result.values is not None
    assert values.any()
    np.testing.assert_allclose(result.values, values, rtol=0, atol=2e-5 * np.abs(values).max())
    assert result.target == number % CLASSES


def test_a_picture_is_explained_as_the_engine_explains_it(bench: Bench) -> None:
    executor = bench.start()
    for number, task in enumerate((SALIENCY, SIGNED, GRAD_CAM), 1):
        bench.assert_right(executor.submit(bench.work(number, task)), number, task)


def test_a_picture_is_classified_without_an_explanation(bench: Bench) -> None:
    result = bench.start().submit(Work(bench.model, CLASSIFY, picture(1), TOP_CLASS, None)).result(SECONDS)
    scores = bench.model.module(picture(1).unsqueeze(0))[0]
    assert result.values is None
    assert result.target == int(scores.argmax())
    np.testing.assert_allclose(result.scores, scores.numpy(), rtol=1e-5)


def test_the_top_class_is_explained_where_none_is_named(bench: Bench) -> None:
    result = bench.start().submit(Work(bench.model, SALIENCY, picture(1), TOP_CLASS, None)).result(SECONDS)
    assert result.target == int(result.scores.argmax())
    assert result.values is not None
    top = attribute(bench.model.module, picture(1).unsqueeze(0), None, "saliency")[0]
    np.testing.assert_allclose(result.values, top.numpy(), rtol=0, atol=1e-6)


def test_pixels_are_normalised_as_the_model_wants_them(bench: Bench) -> None:
    pixels = torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    result = bench.start().submit(Work(bench.model, SALIENCY, pixels, 2, None)).result(SECONDS)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = ((pixels / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)).unsqueeze(0)
    values = attribute(bench.model.module, images, 2, "saliency")[0].numpy()
    assert result.values is not None
    np.testing.assert_allclose(result.values, values, rtol=0, atol=2e-5 * values.max())


def test_a_lone_picture_waits_for_no_company(bench: Bench) -> None:
    bench.start(max_batch=16).submit(bench.work(1)).result(SECONDS)
    assert bench.passes.seen == [[1]]


def test_what_queued_up_goes_through_together(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in range(1, 8)}
    bench.let_go()
    for number, future in found.items():
        bench.assert_right(future, number)
    assert bench.passes.seen[:2] == [[0], [1, 2, 3, 4, 5, 6, 7]]


def test_pictures_are_grouped_by_task_and_the_group_of_the_oldest_goes_first(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    tasks = {1: GRAD_CAM, 2: SALIENCY, 3: SIGNED, 4: SALIENCY, 5: GRAD_CAM, 6: SALIENCY}
    found = {number: executor.submit(bench.work(number, task)) for number, task in tasks.items()}
    bench.let_go()
    for future in found.values():
        future.result(SECONDS)
    assert bench.passes.seen == [[0], [1, 5], [2, 4, 6], [3]]
    for number, task in tasks.items():
        bench.assert_right(found[number], number, task)


def test_equal_parameters_are_one_group_though_they_are_two_objects(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    tasks = [Task("saliency", METHODS["saliency"], SaliencyParameters(abs=False)) for _ in range(2)]
    found = [executor.submit(bench.work(number, task)) for number, task in enumerate(tasks, 1)]
    bench.let_go()
    assert all(future.result(SECONDS).values is not None for future in found)
    assert bench.passes.seen == [[0], [1, 2]]


def test_pixels_and_preprocessed_pictures_do_not_go_together(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    pixels = torch.full((3, SIZE, SIZE), 200, dtype=torch.uint8)
    found = [
        executor.submit(bench.work(1)),
        executor.submit(Work(bench.model, SALIENCY, pixels, 0, None)),
        executor.submit(bench.work(2)),
    ]
    bench.let_go()
    assert all(future.result(SECONDS).values is not None for future in found)
    assert [len(numbers) for numbers in bench.passes.seen] == [1, 2, 1]
    assert bench.passes.seen[1] == [1, 2]


def test_pictures_of_two_models_do_not_go_together_and_do_not_cross(bench: Bench) -> None:
    other = load(6)
    other_passes = Passes(other.module)
    executor = bench.start()
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in (1, 3)}
    others = {
        number: executor.submit(replace(bench.work(number), model=other, future=Future())) for number in (1, 2, 3)
    }
    found |= {number: executor.submit(bench.work(number)) for number in (4, 5)}
    bench.let_go()
    for number, future in found.items():
        bench.assert_right(future, number)
    for number, future in others.items():
        assert_right(future, other, number)
    assert bench.passes.seen[:2] == [[0], [1, 3, 4, 5]]
    assert other_passes.seen[0] == [1, 2, 3]


def test_a_pass_takes_at_most_max_batch_the_oldest_first(bench: Bench) -> None:
    executor = bench.start(max_batch=2)
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in range(1, 6)}
    bench.let_go()
    for future in found.values():
        future.result(SECONDS)
    assert bench.passes.seen == [[0], [1, 2], [3, 4], [5]]
    for number, future in found.items():
        bench.assert_right(future, number)


def test_max_wait_gathers_a_batch_and_ends_when_it_is_full(bench: Bench) -> None:
    executor = bench.start(max_batch=3, max_wait=600)
    found = [executor.submit(bench.work(number)) for number in (1, 2, 3)]
    assert all(future.result(SECONDS).values is not None for future in found)
    assert bench.passes.seen == [[1, 2, 3]]


def test_max_wait_ends_also_where_nobody_comes(bench: Bench) -> None:
    begun = time.monotonic()
    executor = bench.start(max_batch=3, max_wait=0.5)
    executor.submit(bench.work(1)).result(SECONDS)
    assert time.monotonic() - begun >= 0.5
    assert bench.passes.seen == [[1]]


def test_a_model_is_finished_with_when_its_last_work_is_done(bench: Bench) -> None:
    executor = bench.start(max_batch=2)
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in range(1, 6)}
    finishing = threading.Thread(target=executor.finish, args=(bench.model,))
    finishing.start()
    executor.finish(load(6))  # a model without work is none to wait for
    assert finishing.is_alive()
    bench.let_go()
    finishing.join(SECONDS)
    assert not finishing.is_alive()
    assert all(future.done() for future in found.values())
    for number, future in found.items():
        bench.assert_right(future, number)


def test_a_model_that_is_finished_with_is_let_go(bench: Bench) -> None:
    executor = bench.start()
    model = load(6)
    assert executor.submit(Work(model, SALIENCY, picture(1), 0, None)).result(SECONDS).values is not None
    executor.finish(model)
    trace = weakref.ref(model)
    del model
    gc.collect()
    assert trace() is None, "its memory is wanted for others"


def test_closing_finishes_what_is_queued(bench: Bench) -> None:
    executor = bench.start(max_batch=2)
    first = bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in range(1, 6)}
    closing = threading.Thread(target=executor.close)
    closing.start()
    bench.let_go()
    closing.join(SECONDS)
    assert not closing.is_alive()
    assert first.done()
    assert all(future.done() for future in found.values())
    for number, future in found.items():
        bench.assert_right(future, number)


def test_closing_does_not_wait_for_a_batch_to_fill(bench: Bench) -> None:
    executor = bench.start(max_batch=3, max_wait=600)
    found = executor.submit(bench.work(1))
    executor.close()
    assert found.done()
    bench.assert_right(found, 1)


def test_a_closed_executor_refuses_new_work(bench: Bench) -> None:
    executor = bench.start()
    executor.close()
    with pytest.raises(ServerStopping):
        executor.submit(bench.work(1))


def test_an_executor_may_be_closed_twice(bench: Bench) -> None:
    executor = bench.start()
    executor.close()
    executor.close()


def test_work_whose_deadline_has_passed_costs_no_pass(bench: Bench) -> None:
    executor = bench.start()
    late = executor.submit(bench.work(1, deadline=time.monotonic() - 1))
    with pytest.raises(CancelledError):
        late.result(SECONDS)
    executor.submit(bench.work(2, deadline=time.monotonic() + 60)).result(SECONDS)
    assert bench.passes.seen == [[2]]


def test_work_that_was_cancelled_costs_no_pass(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in (1, 2, 3)}
    assert found[2].cancel()
    bench.let_go()
    bench.assert_right(found[1], 1)
    bench.assert_right(found[3], 3)
    assert bench.passes.seen[:2] == [[0], [1, 3]]


def test_work_in_the_middle_of_its_pass_can_no_longer_be_cancelled(bench: Bench) -> None:
    executor = bench.start()
    first = bench.hold(executor)
    assert not first.cancel()
    bench.let_go()
    bench.assert_right(first, 0)


def test_a_picture_at_which_the_network_raises_fails_alone(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in (1, 3)}
    bad = executor.submit(bench.work(2, first=CURSED))
    bench.let_go()
    with pytest.raises(ValueError, match="cursed"):
        bad.result(SECONDS)
    for number, future in found.items():
        bench.assert_right(future, number)
    bench.assert_right(executor.submit(bench.work(4)), 4)


@pytest.mark.parametrize("carries", [1, 2, 3])
@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_a_batch_that_the_memory_does_not_carry_is_split_until_it_does(carries: int, count: int, bench: Bench) -> None:
    bench.carries(carries)
    executor = bench.start()
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number)) for number in range(1, count + 1)}
    bench.let_go()
    for number, future in found.items():
        bench.assert_right(future, number)
    bench.assert_right(executor.submit(bench.work(1)), 1)


def test_batches_stay_as_small_as_the_memory_has_shown(bench: Bench) -> None:
    bench.carries(2)
    executor = bench.start()
    for _ in range(2):
        bench.hold(executor)
        found = [executor.submit(bench.work(number)) for number in range(1, 9)]
        last = len(bench.passes.seen)
        bench.let_go()
        assert all(future.result(SECONDS).values is not None for future in found)
    assert bench.passes.seen[last:] == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_one_picture_that_the_memory_does_not_carry_is_an_error_and_no_end(bench: Bench) -> None:
    executor = bench.start()
    bench.carries(0)
    with pytest.raises(torch.OutOfMemoryError):
        executor.submit(bench.work(1)).result(SECONDS)
    bench.carries(8)
    bench.assert_right(executor.submit(bench.work(2)), 2)


def test_autocast_is_named_and_close(bench: Bench) -> None:
    exact, half = bench.start(), bench.start(autocast=True)
    assert (exact.precision(bench.model), half.precision(bench.model)) == (torch.float32, torch.bfloat16)
    result, reference = (executor.submit(bench.work(1)).result(SECONDS) for executor in (half, exact))
    assert result.values is not None
    assert reference.values is not None
    assert result.values.dtype == result.scores.dtype == np.float32
    assert not np.array_equal(result.values, reference.values)
    # bfloat16 keeps 8 bits; a ReLU near zero may flip, which changes single pixels.
    np.testing.assert_allclose(result.scores, reference.scores, rtol=0, atol=0.01 * np.abs(reference.scores).max())
    assert np.corrcoef(result.values.ravel(), reference.values.ravel())[0, 1] > 0.99
