"""A synthesis goes on from a checkpoint as if nothing had been."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load as load_tensors
from safetensors.torch import save

from convscope.engine.models.model import Model
from convscope.engine.synthesis.checkpoint import Checkpoint
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.deep_dream import deep_dream
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.parameters import DeepDreamParameters, SynthesisParameters
from convscope.engine.synthesis.synthesis import Synthesis
from tests.engine.reference import Load

Start = Callable[[bytes | None], Synthesis]
CLASSES = SynthesisParameters(
    steps=9, noise=6.0, jitter=5, momentum=0.9, step_size=350.0, l2=9e-7, gradient_blur=1.0, normalization="norm"
)
DREAM = DeepDreamParameters(steps=3, octaves=3, size=96)


def classes(model: Model, **changes: Any) -> Start:
    parameters = CLASSES.model_copy(update=changes)
    size = model.preprocessing.model_copy(update={"height": 64, "width": 80})
    model = replace(model, preprocessing=size)
    return lambda checkpoint: class_visualization(model, [1, 2], parameters, checkpoint=checkpoint)


def dream(model: Model, picture: Image.Image, guide: Image.Image | None = None, **changes: Any) -> Start:
    parameters = DREAM.model_copy(update=changes)
    return lambda checkpoint: deep_dream(model, picture, parameters, guide, checkpoint)


def seen(synthesis: Synthesis) -> tuple[Any, ...]:
    return synthesis.step, synthesis.values().tobytes(), synthesis.history(), synthesis.progress()


@pytest.fixture
def starts(load: Load, photographs: dict[str, Image.Image]) -> dict[str, Start]:
    china, coffee = photographs["china"], photographs["coffee"]
    return {
        "classes": classes(load("squeezenet1_1")),
        "dream": dream(load("efficientnet_lite0"), china),
        "guided dream": dream(load("resnet18"), china, coffee),
    }


@pytest.mark.parametrize("kind", ["classes", "dream", "guided dream"])
def test_going_on_gives_to_the_byte_what_an_undisturbed_run_gives(starts: dict[str, Start], kind: str) -> None:
    start = starts[kind]
    undisturbed = start(None)
    kept = {0: undisturbed.checkpoint()}
    for state in undisturbed:
        kept[state.step] = undisturbed.checkpoint()
    # Beginning and end, round an octave's border, and anywhere.
    for step in {0, 2, 3, 4, 6, 9, random.Random(kind).randrange(10)}:
        resumed = start(kept[step])
        assert resumed.step == step
        for _ in resumed:
            pass
        assert seen(resumed) == seen(undisturbed)
        assert resumed.checkpoint() == kept[9]


def test_what_is_seen_of_a_resumed_run_is_what_was_seen(starts: dict[str, Start]) -> None:
    synthesis = starts["dream"](None)
    for _ in range(3):
        synthesis.advance()
    assert seen(starts["dream"](synthesis.checkpoint())) == seen(synthesis)


def test_a_run_is_stopped_again_and_again(starts: dict[str, Start]) -> None:
    start = starts["classes"]
    undisturbed, checkpoint = start(None), None
    for _ in undisturbed:
        synthesis = start(checkpoint)
        synthesis.advance()
        checkpoint = synthesis.checkpoint()
    assert seen(synthesis) == seen(undisturbed)


def test_many_steps_are_remembered(load: Load) -> None:
    start = classes(load("squeezenet1_1"), steps=70)
    undisturbed = start(None)
    for state in undisturbed:
        if state.step == 63:
            checkpoint = undisturbed.checkpoint()
    resumed = start(checkpoint)
    for _ in resumed:
        pass
    assert seen(resumed) == seen(undisturbed)
    assert len(resumed.history()["step"]) == 70


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("parameters: step_size", {"step_size": 2.0}),
        ("parameters: steps", {"steps": 10}),
        ("parameters: seed", {"seed": 1}),
    ],
)
def test_a_checkpoint_of_other_parameters(load: Load, part: str, change: dict[str, Any]) -> None:
    model = load("squeezenet1_1")
    checkpoint = classes(model)(None).checkpoint()
    with pytest.raises(CheckpointInvalid, match=part):
        classes(model, **change)(checkpoint)


def test_a_checkpoint_of_something_else(load: Load, photographs: dict[str, Image.Image]) -> None:
    model, china, cat = load("squeezenet1_1"), photographs["china"], photographs["chelsea"]
    checkpoint = dream(model, china, cat)(None).checkpoint()
    others = {
        "kind": classes(model),
        "image": dream(model, cat, cat),
        "guide": dream(model, china),
        "model": dream(load("resnet18"), china, cat),
        "weights": dream(replace(model, weights_digest="0" * 64), china, cat),
        "preprocessing": dream(
            replace(model, preprocessing=model.preprocessing.model_copy(update={"mean": (0.0, 0.0, 0.0)})), china, cat
        ),
    }
    for part, start in others.items():
        with pytest.raises(CheckpointInvalid, match=part) as caught:
            start(checkpoint)
        assert caught.value.status == "FAILED_PRECONDITION"
    data = class_visualization(model, [1, 2], CLASSES).checkpoint()
    with pytest.raises(CheckpointInvalid, match="targets"):
        class_visualization(model, [2, 1], CLASSES, checkpoint=data)


def test_damaged_bytes(load: Load) -> None:
    start = classes(load("squeezenet1_1"))
    synthesis = start(None)
    synthesis.advance()
    whole = synthesis.checkpoint()
    random_one = random.Random(0)
    damaged = [b"", b"\0" * 8, b"nothing", b"\xff" * 100, whole[:-1], whole + b"\0", whole[: len(whole) // 2]]
    for place in [0, 8, 9, *random_one.sample(range(1000), 20), *random_one.sample(range(len(whole)), 20)]:
        changed = bytearray(whole)
        changed[place] ^= 1 << random_one.randrange(8)
        damaged.append(bytes(changed))
    for data in damaged:
        with pytest.raises(CheckpointInvalid) as caught:
            start(data)
        assert caught.value.field == "checkpoint"
    assert start(whole).step == 1


def test_a_checkpoint_that_is_whole_but_does_not_fit(load: Load) -> None:
    start = classes(load("squeezenet1_1"))
    synthesis = start(None)
    synthesis.advance()
    data = synthesis.checkpoint()
    identity = synthesis._identity
    good = Checkpoint.from_bytes(data, identity)
    forged = [
        replace(good, step=5),
        replace(good, step=-1),
        replace(good, step=10**9),
        *(
            replace(good, tensors={key: value for key, value in good.tensors.items() if key != name})
            for name in good.tensors
        ),
        replace(good, tensors=good.tensors | {"variables": good.tensors["variables"].double()}),
        *(replace(good, tensors=good.tensors | {name: torch.zeros(3)}) for name in good.tensors),
    ]
    for checkpoint in forged:
        with pytest.raises(CheckpointInvalid, match="does not fit"):
            start(checkpoint.to_bytes())


def test_a_file_of_tensors_that_is_none(load: Load) -> None:
    start = classes(load("squeezenet1_1"))
    tensors = load_tensors(start(None).checkpoint())
    for metadata in (
        None,
        {},
        {"synthesis": "no JSON"},
        {"synthesis": "[]"},
        {"synthesis": "3"},
        {"synthesis": json.dumps({"digest": 1})},
    ):
        with pytest.raises(CheckpointInvalid):
            start(save(tensors, metadata))
