"""The executor: one thread for all models, batches of what has queued up, no pass for nobody."""

import gc
import threading
import time
import weakref
from concurrent.futures import CancelledError, Future
from dataclasses import replace

import numpy as np
import pytest
import torch

from convscope.engine import attribute
from convscope.engine.attribution.target import ClassTarget, Target, UnitTarget
from convscope.engine.errors import InvalidParameter
from convscope.engine.models import variants
from convscope.services.attribution.work import Task, Work
from convscope.services.common.errors import ServerStopping
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
    picture,
    rise,
)
from tests.services.team.networks import CURSED, SIZE


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
