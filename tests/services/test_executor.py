"""The executor: one thread for all models, batches of what has queued up, no pass for nobody."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine import attribute
from convscope.engine.attribution.methods import find_method
from convscope.engine.attribution.target import ClassTarget, Target, UnitTarget
from convscope.engine.errors import InvalidParameter
from convscope.engine.models import variants
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.model import Model
from convscope.services.attribution.executor import Executor
from convscope.services.attribution.work import Ask, Result, Task, Work
from convscope.services.common.errors import CallCancelled, DeadlinePassed, ServerStopping
from tests.services.team.networks import CLASSES, CURSED, SIZE, Guarded

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


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.let_go()
    for executor in bench.started:
        executor.close()


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


def test_a_picture_is_explained_as_the_engine_explains_it(bench: Bench) -> None:
    executor = bench.start()
    for number, task in enumerate((SALIENCY, SIGNED, GRAD_CAM), 1):
        bench.assert_right(executor.submit(bench.work(number, task)), number, task)


def test_a_picture_is_classified_without_an_explanation(bench: Bench) -> None:
    result = bench.start().submit(Work(bench.model, CLASSIFY, picture(1))).result(SECONDS)
    scores = bench.model.module(picture(1).unsqueeze(0))[0]
    assert result.answers == ()
    np.testing.assert_allclose(result.scores, scores.numpy(), rtol=1e-5)


def test_the_top_class_is_explained_where_none_is_named(bench: Bench) -> None:
    result = bench.start().submit(Work(bench.model, SALIENCY, picture(1), (ClassTarget(),))).result(SECONDS)
    (answer,) = result.answers
    assert answer.target == ClassTarget((int(result.scores.argmax()),))
    assert answer.explained == pytest.approx(float(result.scores.max()), rel=1e-5)
    top = attribute(bench.model.module, picture(1).unsqueeze(0), None, "saliency")[0]
    np.testing.assert_allclose(answer.values, top.numpy(), rtol=0, atol=1e-6)


def test_pixels_are_normalised_as_the_model_wants_them(bench: Bench) -> None:
    pixels = torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    result = bench.start().submit(Work(bench.model, SALIENCY, pixels, (ClassTarget((2,)),))).result(SECONDS)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = ((pixels / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)).unsqueeze(0)
    values = attribute(bench.model.module, images, 2, "saliency")[0].numpy()
    np.testing.assert_allclose(result.answers[0].values, values, rtol=0, atol=2e-5 * values.max())


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
    tasks = [Task((ask("saliency", abs=False),)) for _ in range(2)]
    found = [executor.submit(bench.work(number, task)) for number, task in enumerate(tasks, 1)]
    bench.let_go()
    assert all(future.result(SECONDS).answers for future in found)
    assert bench.passes.seen == [[0], [1, 2]]


def test_pixels_and_preprocessed_pictures_do_not_go_together(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    pixels = torch.full((3, SIZE, SIZE), 200, dtype=torch.uint8)
    found = [
        executor.submit(bench.work(1)),
        executor.submit(Work(bench.model, SALIENCY, pixels, (ClassTarget((0,)),))),
        executor.submit(bench.work(2)),
    ]
    bench.let_go()
    assert all(future.result(SECONDS).answers for future in found)
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
    assert all(future.result(SECONDS).answers for future in found)
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
    for task in (SALIENCY, rise(32)):
        assert executor.submit(Work(model, task, picture(1), (ClassTarget((0,)),))).result(SECONDS).answers
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
        assert all(future.result(SECONDS).answers for future in found)
    assert bench.passes.seen[last:] == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_one_picture_that_the_memory_does_not_carry_is_an_error_and_no_end(bench: Bench) -> None:
    executor = bench.start()
    bench.carries(0)
    with pytest.raises(torch.OutOfMemoryError):
        executor.submit(bench.work(1)).result(SECONDS)
    bench.carries(8)
    bench.assert_right(executor.submit(bench.work(2)), 2)


def test_targets_that_read_one_output_go_together_and_others_do_not(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    targets: list[Target] = [
        ClassTarget((1,)),
        UnitTarget("features.2", 3),
        ClassTarget((1, 2), (3,)),
        ClassTarget((4,), output="probability"),
        UnitTarget("features.2", 5),
        UnitTarget("features.2", 5, (1, 2)),
        UnitTarget("features.0", 5),
        ClassTarget((2,), output="probability"),
        ClassTarget(),
    ]
    found = [
        executor.submit(Work(bench.model, SALIENCY, picture(number), (target,)))
        for number, target in enumerate(targets, 1)
    ]
    bench.let_go()
    results = [future.result(SECONDS) for future in found]
    assert bench.passes.seen == [[0], [1, 3, 9], [2, 5], [4, 8], [6], [7]]
    for number, (target, result) in enumerate(zip(targets, results, strict=True), 1):
        values = attribute(bench.model.module, picture(number).unsqueeze(0), target, "saliency")[0].numpy()
        assert values.any()
        np.testing.assert_allclose(result.answers[0].values, values, rtol=0, atol=2e-5 * np.abs(values).max())


def test_several_asks_of_one_picture_share_its_pass(bench: Bench) -> None:
    asks = (ask("saliency"), ask("grad_cam", LAYER), ask("eigen_cam", "features.1"), ask("gradient"))
    targets: tuple[Target, ...] = (ClassTarget((1,)), ClassTarget((2,)), ClassTarget(), UnitTarget(LAYER, 3))
    result = bench.start().submit(Work(bench.model, Task(asks), picture(1), targets)).result(SECONDS)
    assert bench.passes.seen == [[1]]
    layers = {"grad_cam": LAYER, "eigen_cam": "features.1"}
    for one, target, answer in zip(asks, targets, result.answers, strict=True):
        chosen = {"layer": layers[one.method_name]} if one.method_name in layers else {}
        asked = None if target == ClassTarget() else target
        values = attribute(bench.model.module, picture(1).unsqueeze(0), asked, one.method_name, **chosen)[0].numpy()
        assert values.any()
        np.testing.assert_allclose(answer.values, values, rtol=0, atol=2e-5 * np.abs(values).max())


def test_pictures_with_several_asks_go_alone(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    both = Task((*SALIENCY.asks, *GRAD_CAM.asks))
    found = [executor.submit(bench.work(number, both)) for number in (1, 2)]
    bench.let_go()
    assert all(len(future.result(SECONDS).answers) == 2 for future in found)
    assert bench.passes.seen == [[0], [1], [2]]


def test_an_ask_that_fails_fails_its_work_and_says_which_it_is(bench: Bench) -> None:
    executor = bench.start()
    asks = Task((*SALIENCY.asks, ask("occlusion", window=SIZE + 1, stride=1)))
    with pytest.raises(InvalidParameter) as caught:
        executor.submit(bench.work(1, asks)).result(SECONDS)
    assert (caught.value.position, caught.value.field) == (1, "window")
    bench.assert_right(executor.submit(bench.work(2)), 2)


class Told:
    """What long work tells of its progress."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.all.append((done, total))


def test_long_work_is_what_the_engine_computes_and_tells_how_far_it_is(bench: Bench) -> None:
    told = Told()
    found = bench.start().submit(bench.work(1, rise(40), on_progress=told))
    found.result(SECONDS)
    assert bench.passes.sizes == [1, 16, 16, 8]
    bench.assert_right(found, 1, rise(40))
    assert told.all == [(0, 40), (16, 40), (32, 40), (40, 40)]


def test_quick_work_tells_no_progress(bench: Bench) -> None:
    told = Told()
    executor = bench.start()
    for task in (SALIENCY, Task((*SALIENCY.asks, *GRAD_CAM.asks)), CLASSIFY):
        executor.submit(bench.work(1, task, on_progress=told)).result(SECONDS)
    assert told.all == []


def test_long_work_goes_alone_one_after_the_other(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number, rise(32))) for number in (1, 2)}
    bench.let_go()
    for future in found.values():
        future.result(SECONDS)
    assert bench.passes.sizes == [1, 1, 16, 16, 1, 16, 16]
    for number, future in found.items():
        bench.assert_right(future, number, rise(32))


def test_a_batch_of_quick_work_passes_between_the_internal_batches_of_long_work(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(1)
    order: list[str] = []
    long = executor.submit(bench.work(1, rise(64)))
    long.add_done_callback(lambda _: order.append("long"))
    bench.wait_until_held()
    tasks = {2: GRAD_CAM, 3: SALIENCY, 4: GRAD_CAM, 5: CLASSIFY, 6: SALIENCY, 7: GRAD_CAM}
    quick = {number: executor.submit(bench.work(number, task)) for number, task in tasks.items()}
    for number, future in quick.items():
        future.add_done_callback(partial(lambda name, _: order.append(name), f"quick {number}"))
    bench.let_go()
    long.result(SECONDS)
    assert bench.passes.sizes == [1, 16, 3, 16, 2, 16, 1, 16]
    assert bench.passes.seen[2::2] == [[2, 4, 7], [3, 6], [5]]
    assert order == ["quick 2", "quick 4", "quick 7", "quick 3", "quick 6", "quick 5", "long"]
    bench.assert_right(long, 1, rise(64))
    for number, task in tasks.items():
        if task is not CLASSIFY:
            bench.assert_right(quick[number], number, task)


def test_long_work_passes_no_other_long_work(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(1)
    first = executor.submit(bench.work(1, rise(48)))
    bench.wait_until_held()
    second = executor.submit(bench.work(2, Task((*SALIENCY.asks, *rise(16).asks))))
    quick = executor.submit(bench.work(3))
    bench.let_go()
    second.result(SECONDS)
    assert bench.passes.sizes == [1, 16, 1, 16, 16, 1, 1, 16]
    bench.assert_right(first, 1, rise(48))
    bench.assert_right(quick, 3)


def test_quick_work_for_another_model_passes_too(bench: Bench) -> None:
    other = load(6)
    executor = bench.start()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(32)))
    bench.wait_until_held()
    quick = executor.submit(replace(bench.work(2), model=other, future=Future()))
    finishing = threading.Thread(target=executor.finish, args=(other,))
    finishing.start()
    bench.let_go()
    assert_right(quick, other, 2)
    finishing.join(SECONDS)
    assert not finishing.is_alive()
    bench.assert_right(long, 1, rise(32))


LONG_TASKS = {
    "rise": rise(40),
    "occlusion": Task((ask("occlusion", window=8, stride=4),)),
    "integrated_gradients": Task((ask("integrated_gradients", steps=40),)),
    "deep_lift": Task((ask("deep_lift"),)),
    "smooth_grad": Task((ask("smooth_grad", samples=40),)),
    "var_grad": Task((ask("var_grad", samples=40, method="grad_cam", layer=LAYER),)),
    "score_cam": Task((ask("score_cam", LAYER),)),
    "ablation_cam": Task((ask("ablation_cam", LAYER),)),
}


@pytest.mark.parametrize("name", LONG_TASKS)
def test_work_that_passes_long_work_of_any_kind_is_right_and_so_is_the_long_work(name: str, bench: Bench) -> None:
    executor = bench.start()
    task = LONG_TASKS[name]
    passing: list[tuple[int, Task, Future[Result]]] = []
    order: list[str] = []

    def send_more(done: int, total: int) -> None:
        """Told before quick work is let pass, so that each of these is served within the long work."""
        number = 10 + len(passing)
        kind = (GRAD_CAM, SALIENCY, SIGNED)[number % 3]
        passing.append((number, kind, executor.submit(bench.work(number, kind))))
        passing[-1][-1].add_done_callback(lambda _: order.append("quick"))

    bench.hold(executor)
    long = executor.submit(bench.work(1, task, on_progress=send_more))
    long.add_done_callback(lambda _: order.append("long"))
    bench.let_go()
    bench.assert_right(long, 1, task)
    assert len(passing) >= 2
    for number, kind, future in passing:
        bench.assert_right(future, number, kind)
    assert order == [*["quick"] * len(passing), "long"]


def test_an_error_in_quick_work_that_passes_harms_no_long_work(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(48)))
    bench.wait_until_held()
    good = [executor.submit(bench.work(number)) for number in (2, 3)]
    bad = executor.submit(bench.work(4, first=CURSED))
    late = executor.submit(bench.work(5, GRAD_CAM, deadline=time.monotonic() - 1))
    bench.let_go()
    bench.assert_right(long, 1, rise(48))
    with pytest.raises(ValueError, match="cursed"):
        bad.result(SECONDS)
    assert late.cancelled()
    for number, future in enumerate(good, 2):
        bench.assert_right(future, number)
    bench.assert_right(executor.submit(bench.work(6)), 6)


def test_long_work_ends_after_its_internal_batch_when_its_caller_goes(bench: Bench) -> None:
    executor = bench.start()
    gone = threading.Event()
    told = Told()
    bench.hold_pass(2)
    long = executor.submit(bench.work(1, rise(100_000), gone=gone.is_set, on_progress=told))
    bench.wait_until_held()
    gone.set()
    bench.let_go()
    with pytest.raises(CallCancelled, match="32 of 100000"):
        long.result(SECONDS)
    bench.assert_right(executor.submit(bench.work(2, rise(32))), 2, rise(32))
    assert bench.passes.sizes[:6] == [1, 16, 16, 1, 16, 16]
    assert told.all == [(0, 100_000), (16, 100_000)], "nobody is told who has gone"


def test_long_work_ends_after_its_internal_batch_when_its_deadline_passes(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(2)
    deadline = time.monotonic() + 0.3
    long = executor.submit(bench.work(1, rise(100_000), deadline=deadline))
    bench.wait_until_held()
    while time.monotonic() <= deadline:
        time.sleep(0.01)
    bench.let_go()
    with pytest.raises(DeadlinePassed, match="32 of 100000"):
        long.result(SECONDS)
    bench.assert_right(executor.submit(bench.work(2, rise(32))), 2, rise(32))
    assert bench.passes.sizes[:6] == [1, 16, 16, 1, 16, 16]


def test_long_work_whose_caller_has_gone_before_it_begins_costs_no_more_than_a_pass(bench: Bench) -> None:
    executor = bench.start()
    with pytest.raises(CallCancelled):
        executor.submit(bench.work(1, rise(100_000), gone=lambda: True)).result(SECONDS)
    assert bench.passes.sizes == [1]


def test_what_ends_long_work_ends_not_what_passes_it(bench: Bench) -> None:
    executor = bench.start()
    gone = threading.Event()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(100_000), gone=gone.is_set))
    bench.wait_until_held()
    quick = executor.submit(bench.work(2))
    gone.set()
    bench.let_go()
    bench.assert_right(quick, 2)
    with pytest.raises(CallCancelled):
        long.result(SECONDS)


def test_a_network_that_raises_in_long_work_ends_that_only(bench: Bench) -> None:
    executor = bench.start()
    bench.carries(0)
    with pytest.raises(torch.OutOfMemoryError):
        executor.submit(bench.work(1, rise(32))).result(SECONDS)
    bench.carries(1000)
    bench.assert_right(executor.submit(bench.work(2, rise(32))), 2, rise(32))


@pytest.mark.parametrize("carries", [1, 5])
def test_long_work_goes_on_in_smaller_internal_batches_where_the_memory_carries_no_more(
    carries: int, bench: Bench
) -> None:
    executor = bench.start()
    bench.carries(carries)
    told = Told()
    found = executor.submit(bench.work(1, rise(24), on_progress=told))
    found.result(SECONDS)
    bench.carries(1000)
    bench.assert_right(found, 1, rise(24))
    assert [done for done, _ in told.all] == sorted(done for done, _ in told.all)
    assert told.all[-1] == (24, 24)


def test_a_model_is_finished_with_when_its_long_work_is_done(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(48)))
    bench.wait_until_held()
    finishing = threading.Thread(target=executor.finish, args=(bench.model,))
    finishing.start()
    executor.finish(load(6))
    quick = executor.submit(bench.work(2))
    assert finishing.is_alive()
    bench.let_go()
    finishing.join(SECONDS)
    assert not finishing.is_alive()
    assert long.done()
    assert quick.done()
    bench.assert_right(long, 1, rise(48))


def test_a_model_is_not_finished_with_while_other_work_passes_its_long_work(bench: Bench) -> None:
    other = load(6)
    other_passes = Passes(other.module)
    executor = bench.start()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(48)))
    bench.wait_until_held()
    other_passes.may_go_on.clear()
    quick = executor.submit(replace(bench.work(0), model=other, future=Future()))
    bench.let_go()
    assert other_passes.begun.wait(SECONDS)
    finishing = threading.Thread(target=executor.finish, args=(bench.model,))
    finishing.start()
    finishing.join(0.2)
    assert finishing.is_alive()
    other_passes.may_go_on.set()
    assert_right(quick, other, 0)
    finishing.join(SECONDS)
    assert not finishing.is_alive()
    assert long.done()


def test_closing_finishes_long_work_and_what_waits_behind_it(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(48)))
    bench.wait_until_held()
    found = [executor.submit(bench.work(2, rise(16))), executor.submit(bench.work(3))]
    closing = threading.Thread(target=executor.close)
    closing.start()
    bench.let_go()
    closing.join(SECONDS)
    assert not closing.is_alive()
    assert all(future.done() for future in (long, *found))
    bench.assert_right(long, 1, rise(48))
    bench.assert_right(found[0], 2, rise(16))
    bench.assert_right(found[1], 3)


def test_max_wait_holds_no_long_work(bench: Bench) -> None:
    executor = bench.start(max_batch=3, max_wait=600)
    bench.assert_right(executor.submit(bench.work(1, rise(16))), 1, rise(16))


def test_bfloat16_is_close_and_answers_in_float32(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "bfloat16_supported", lambda _: True)
    model, executor = load(5), bench.start()
    works = [
        replace(bench.work(1, task), model=model, future=Future())
        for task in (Task(SALIENCY.asks, "bfloat16"), SALIENCY)
    ]
    result, reference = (executor.submit(work).result(SECONDS) for work in works)
    (found,), (exact,) = result.answers, reference.answers
    assert found.values.dtype == result.scores.dtype == np.float32
    assert not np.array_equal(found.values, exact.values)
    # bfloat16 keeps 8 bits; a ReLU near zero may flip, which changes single pixels.
    np.testing.assert_allclose(result.scores, reference.scores, rtol=0, atol=0.01 * np.abs(reference.scores).max())
    assert np.corrcoef(found.values.ravel(), exact.values.ravel())[0, 1] > 0.99


def test_work_of_two_precisions_does_not_go_together(bench: Bench) -> None:
    work = bench.work(1)
    assert replace(work, task=Task(SALIENCY.asks, "bfloat16")).group != work.group
    assert replace(work, task=Task((ask("saliency"),), "float32")).group == work.group
