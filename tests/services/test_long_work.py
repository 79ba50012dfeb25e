"""Long work in the executor: it goes alone, lets quick work pass, and ends when nobody waits for it."""

import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import pytest
import torch

from convscope.services.attribution.work import Result, Task
from convscope.services.common.errors import CallCancelled, DeadlinePassed
from tests.services.bench import (
    CLASSIFY,
    GRAD_CAM,
    LAYER,
    SALIENCY,
    SECONDS,
    SIGNED,
    Bench,
    Passes,
    ask,
    assert_right,
    load,
    rise,
)
from tests.services.team.networks import CURSED


class Told:
    """What long work tells of its progress."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.all.append((done, total))


def test_long_work_is_what_the_engine_computes_and_tells_how_far_it_is(bench: Bench) -> None:
    told = Told()
    found = bench.start().submit(bench.work(1, rise(20), on_progress=told))
    found.result(SECONDS)
    assert bench.passes.sizes == [1, 8, 8, 4]
    bench.assert_right(found, 1, rise(20))
    assert told.all == [(0, 20), (8, 20), (16, 20), (20, 20)]


def test_quick_work_tells_no_progress(bench: Bench) -> None:
    told = Told()
    executor = bench.start()
    for task in (SALIENCY, Task((*SALIENCY.asks, *GRAD_CAM.asks)), CLASSIFY):
        executor.submit(bench.work(1, task, on_progress=told)).result(SECONDS)
    assert told.all == []


def test_long_work_goes_alone_one_after_the_other(bench: Bench) -> None:
    executor = bench.start()
    bench.hold(executor)
    found = {number: executor.submit(bench.work(number, rise(16))) for number in (1, 2)}
    bench.let_go()
    for future in found.values():
        future.result(SECONDS)
    assert bench.passes.sizes == [1, 1, 8, 8, 1, 8, 8]
    for number, future in found.items():
        bench.assert_right(future, number, rise(16))


def test_a_batch_of_quick_work_passes_between_the_internal_batches_of_long_work(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(1)
    order: list[str] = []
    long = executor.submit(bench.work(1, rise(32)))
    long.add_done_callback(lambda _: order.append("long"))
    bench.wait_until_held()
    tasks = {2: GRAD_CAM, 3: SALIENCY, 4: GRAD_CAM, 5: CLASSIFY, 6: SALIENCY, 7: GRAD_CAM}
    quick = {number: executor.submit(bench.work(number, task)) for number, task in tasks.items()}
    for number, future in quick.items():
        future.add_done_callback(partial(lambda name, _: order.append(name), f"quick {number}"))
    bench.let_go()
    long.result(SECONDS)
    assert bench.passes.sizes == [1, 8, 3, 8, 2, 8, 1, 8]
    assert bench.passes.seen[2::2] == [[2, 4, 7], [3, 6], [5]]
    assert order == ["quick 2", "quick 4", "quick 7", "quick 3", "quick 6", "quick 5", "long"]
    bench.assert_right(long, 1, rise(32))
    for number, task in tasks.items():
        if task is not CLASSIFY:
            bench.assert_right(quick[number], number, task)


def test_long_work_passes_no_other_long_work(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(1)
    first = executor.submit(bench.work(1, rise(24)))
    bench.wait_until_held()
    second = executor.submit(bench.work(2, Task((*SALIENCY.asks, *rise(8).asks))))
    quick = executor.submit(bench.work(3))
    bench.let_go()
    second.result(SECONDS)
    assert bench.passes.sizes == [1, 8, 1, 8, 8, 1, 1, 8]
    bench.assert_right(first, 1, rise(24))
    bench.assert_right(quick, 3)


def test_quick_work_for_another_model_passes_too(bench: Bench) -> None:
    other = load(6)
    executor = bench.start()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(16)))
    bench.wait_until_held()
    quick = executor.submit(replace(bench.work(2), model=other, future=Future()))
    finishing = threading.Thread(target=executor.finish, args=(other,))
    finishing.start()
    bench.let_go()
    assert_right(quick, other, 2)
    finishing.join(SECONDS)
    assert not finishing.is_alive()
    bench.assert_right(long, 1, rise(16))


LONG_TASKS = {
    "rise": rise(20),
    "occlusion": Task((ask("occlusion", window=8, stride=4),)),
    "integrated_gradients": Task((ask("integrated_gradients", steps=20),)),
    "deep_lift": Task((ask("deep_lift"),)),
    "smooth_grad": Task((ask("smooth_grad", samples=20),)),
    "var_grad": Task((ask("var_grad", samples=20, base_method="grad_cam", layer=LAYER),)),
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
    long = executor.submit(bench.work(1, rise(24)))
    bench.wait_until_held()
    good = [executor.submit(bench.work(number)) for number in (2, 3)]
    bad = executor.submit(bench.work(4, first=CURSED))
    late = executor.submit(bench.work(5, GRAD_CAM, deadline=time.monotonic() - 1))
    bench.let_go()
    bench.assert_right(long, 1, rise(24))
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
    with pytest.raises(CallCancelled, match="16 of 100000"):
        long.result(SECONDS)
    bench.assert_right(executor.submit(bench.work(2, rise(16))), 2, rise(16))
    assert bench.passes.sizes[:6] == [1, 8, 8, 1, 8, 8]
    assert told.all == [(0, 100_000), (8, 100_000)], "nobody is told who has gone"


def test_long_work_ends_after_its_internal_batch_when_its_deadline_passes(bench: Bench) -> None:
    executor = bench.start()
    bench.hold_pass(2)
    deadline = time.monotonic() + 0.3
    long = executor.submit(bench.work(1, rise(100_000), deadline=deadline))
    bench.wait_until_held()
    while time.monotonic() <= deadline:
        time.sleep(0.01)
    bench.let_go()
    with pytest.raises(DeadlinePassed, match="16 of 100000"):
        long.result(SECONDS)
    bench.assert_right(executor.submit(bench.work(2, rise(16))), 2, rise(16))
    assert bench.passes.sizes[:6] == [1, 8, 8, 1, 8, 8]


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
        executor.submit(bench.work(1, rise(16))).result(SECONDS)
    bench.carries(1000)
    bench.assert_right(executor.submit(bench.work(2, rise(16))), 2, rise(16))


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
    long = executor.submit(bench.work(1, rise(24)))
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
    bench.assert_right(long, 1, rise(24))


def test_a_model_is_not_finished_with_while_other_work_passes_its_long_work(bench: Bench) -> None:
    other = load(6)
    other_passes = Passes(other.module)
    executor = bench.start()
    bench.hold_pass(1)
    long = executor.submit(bench.work(1, rise(24)))
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
    long = executor.submit(bench.work(1, rise(24)))
    bench.wait_until_held()
    found = [executor.submit(bench.work(2, rise(8))), executor.submit(bench.work(3))]
    closing = threading.Thread(target=executor.close)
    closing.start()
    bench.let_go()
    closing.join(SECONDS)
    assert not closing.is_alive()
    assert all(future.done() for future in (long, *found))
    bench.assert_right(long, 1, rise(24))
    bench.assert_right(found[0], 2, rise(8))
    bench.assert_right(found[1], 3)


def test_max_wait_holds_no_long_work(bench: Bench) -> None:
    executor = bench.start(max_batch=3, max_wait=600)
    bench.assert_right(executor.submit(bench.work(1, rise(8))), 1, rise(8))
