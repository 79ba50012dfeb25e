"""A prior's training: it learns, goes on from any checkpoint to the byte, and refuses what it cannot learn from."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, InvalidParameter, UnknownName
from convscope.engine.generation.order import Order
from convscope.engine.generation.parameters import FEWEST, TrainingParameters
from convscope.engine.generation.pictures import seen
from convscope.engine.generation.training import Training
from convscope.engine.models.model import Model
from convscope.engine.models.weights import weights_digest
from convscope.engine.synthesis.errors import CheckpointInvalid
from tests.engine.generation.made_pictures import bars
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import HEIGHT, WIDTH, around

PICTURES = bars(70, HEIGHT, WIDTH)
SHORT = TrainingParameters(steps=4, batch=24, adversarial_weight=0.1, seed=5)
Start = Callable[[bytes | None], Training]


def starts(model: Model, layer: str = "12", **changes: Any) -> Start:
    parameters = SHORT.model_copy(update=changes)
    return lambda checkpoint: Training(model, layer, PICTURES, parameters, source="bars", checkpoint=checkpoint)


def finish(training: Training) -> Training:
    for _ in training:
        pass
    return training


@pytest.mark.parametrize(("layer", "adversarial"), [("12", 0.1), ("12", 0.0), ("10", 0.1)])
def test_going_on_gives_to_the_byte_what_an_undisturbed_run_gives(tiny: Model, layer: str, adversarial: float) -> None:
    """From every step: while codes are looked at, while the networks learn, while the errors are measured."""
    start = starts(tiny, layer, adversarial_weight=adversarial)
    undisturbed = start(None)
    # 63 pictures to learn from in batches of 24, four steps, and one batch of 7 held out.
    assert undisturbed.total == 3 + 4 + 1
    kept = [undisturbed.checkpoint()]
    progress = []
    for one in undisturbed:
        progress.append(one)
        kept.append(undisturbed.checkpoint())
    wanted = undisturbed.prior().to_bytes()
    for step, checkpoint in enumerate(kept):
        resumed = start(checkpoint)
        assert resumed.step == step
        assert list(resumed) == progress[step:]
        assert resumed.prior().to_bytes() == wanted, f"from step {step}"
        assert resumed.checkpoint() == kept[-1]
    assert finish(start(None)).prior().to_bytes() == wanted
    assert finish(starts(tiny, layer, adversarial_weight=adversarial, seed=6)(None)).prior().to_bytes() != wanted


def test_progress_tells_the_losses_once_there_are_any(tiny: Model) -> None:
    every = list(starts(tiny)(None))
    assert [one.step for one in every] == list(range(1, 9))
    assert {one.total for one in every} == {8}
    assert [bool(one.losses) for one in every] == [False] * 3 + [True] * 5
    assert list(every[3].losses) == ["pixel", "feature", "adversarial", "discriminator", "denoising"]
    without = list(starts(tiny, adversarial_weight=0.0)(None))
    assert list(without[-1].losses) == ["pixel", "feature", "denoising"]


def test_it_learns(tiny: Model) -> None:
    """From a grid that keeps where the bar is, its pictures are nearer than the mean picture, and their codes far
    nearer than the mean code."""
    parameters = TrainingParameters(steps=150, batch=8, rate=3e-3, pixel_weight=10.0, seed=2)
    pictures = bars(200, HEIGHT, WIDTH)
    training = finish(Training(tiny, "7", pictures, parameters))
    card = training.prior().card
    held_out = pictures[Order(200, 20, 2).held_out].float() / 255
    even = float((held_out - pictures.float().mean(dim=0) / 255).square().mean().sqrt())
    assert card.pixel_error < 0.75 * even
    assert card.feature_error < 0.25
    assert card.denoising_error < 0.8
    assert (card.pictures, card.held_out, card.code_length) == (180, 20, 16 * 12 * 10)


def test_the_errors_are_those_of_the_prior_on_pictures_that_it_has_not_seen(tiny: Model) -> None:
    prior = finish(starts(tiny)(None)).prior()
    held_out = PICTURES[Order(70, 7, 5).held_out].float() / 255
    reader = prior.check(tiny)
    with torch.no_grad():
        codes = prior.range.standardized(reader(held_out))
        made = prior.pictures(codes)
        again = prior.range.standardized(reader(made))
    assert prior.card.pixel_error == pytest.approx(float((made - held_out).square().mean().sqrt()), rel=1e-5)
    wanted = float((again - codes).square().sum() / codes.square().sum())
    assert prior.card.feature_error == pytest.approx(wanted, rel=1e-5)
    assert prior.card.weights_digest == tiny.weights_digest
    assert prior.card.training.steps == 4


def test_samples_are_held_out_pictures_beside_what_is_made_of_them(tiny: Model) -> None:
    training = finish(starts(tiny)(None))
    samples = training.samples()
    first = PICTURES[Order(70, 7, 5).held_out[0]]
    assert len(samples) == 7
    assert samples[0][0].tobytes() == Image.fromarray(first.permute(1, 2, 0).numpy()).tobytes()
    assert {picture.size for pair in samples for picture in pair} == {(WIDTH, HEIGHT)}
    checkpoint = training.checkpoint()
    training.samples()
    assert training.checkpoint() == checkpoint, "looking changes nothing"


def test_no_picture_is_both_learned_from_and_held_out_and_each_pass_sees_all() -> None:
    order = Order(50, 5, 1)
    assert sorted([*order.held_out.tolist(), *order.learned.tolist()]) == list(range(50))
    first, second = (
        [place for step in range(9 * epoch, 9 * epoch + 9) for place in order.batch(step, 5).tolist()]
        for epoch in (0, 1)
    )
    assert sorted(first) == sorted(second) == sorted(order.learned.tolist())
    assert first != second
    # Asked for out of order, and across the border of two passes.
    assert order.batch(0, 5).tolist() == first[:5]
    assert Order(50, 5, 1).batch(6, 7).tolist() == [*first, *second][42:49]
    assert Order(50, 5, 2).batch(0, 45).tolist() != first


def test_the_model_is_as_before(load: Load) -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    model = around(load("resnet18"), module.eval().requires_grad_(False))
    before = weights_digest(module)
    finish(starts(model, "4")(None))
    assert weights_digest(module) == before
    assert not any(part.training or part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("count", [1, FEWEST - 1])
def test_too_few_pictures_are_named(tiny: Model, count: int) -> None:
    with pytest.raises(InvalidInput, match=f"at least {FEWEST}") as caught:
        Training(tiny, "12", PICTURES[:count], SHORT)
    assert (caught.value.field, caught.value.reason) == ("pictures", "TOO_FEW_PICTURES")


def test_no_pictures_are_named(tiny: Model) -> None:
    with pytest.raises(InvalidInput, match="no pictures") as caught:
        seen(tiny, iter(()))
    assert caught.value.field == "pictures"


def test_pictures_of_any_size_are_cropped_as_for_the_network(tiny: Model, photographs: dict[str, Image.Image]) -> None:
    found = seen(tiny, iter(photographs.values()))
    assert (found.shape, found.dtype) == ((len(photographs), 3, HEIGHT, WIDTH), torch.uint8)
    assert torch.equal(found[1], tiny.preprocessing.crop(list(photographs.values())[1])[0])


@pytest.mark.parametrize("pictures", [bars(64, HEIGHT, WIDTH + 1), bars(64, HEIGHT, WIDTH).float()])
def test_pictures_of_another_kind_are_named(tiny: Model, pictures: Tensor) -> None:
    with pytest.raises(InvalidInput) as caught:
        Training(tiny, "12", pictures, SHORT)
    assert (caught.value.field, caught.value.reason) == ("pictures", "SHAPE_MISMATCH")


def test_a_layer_without_features_is_named(load: Load) -> None:
    dead = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).requires_grad_(False)
    nn.init.constant_(dead[0].bias, -50.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no features") as caught:
        Training(around(load("resnet18"), dead), "1", PICTURES, SHORT)
    assert (caught.value.field, caught.value.reason) == ("layer", "NO_FEATURES")


def test_unknown_names_are_named(tiny: Model) -> None:
    with pytest.raises(UnknownName) as caught:
        Training(tiny, "nothing", PICTURES, SHORT)
    assert caught.value.field == "layer"
    with pytest.raises(UnknownName, match="nearest: standard") as caught:
        Training(tiny, "12", PICTURES, TrainingParameters(preset="standart"))
    assert caught.value.field == "preset"


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("batch", 1), ("rate", 0.0), ("pixel_weight", -1.0), ("noise", 0.0), ("seed", -1), ("epochs", 3)],
)
def test_a_parameter_out_of_its_range_is_named(field: str, value: float) -> None:
    with pytest.raises(InvalidParameter) as caught:
        TrainingParameters.parse({field: value})
    assert caught.value.field == field


DIM = 11 / 30
"""How bright a picture of bars is."""


class Bursting(nn.Module):
    """Finite for the pictures of bars, which are all as bright; for much darker or brighter ones it is not."""

    def forward(self, images: Tensor) -> Tensor:
        return (4000 * (images.mean(dim=(1, 2, 3)) - DIM).abs()).exp()[:, None]


def test_a_rate_that_runs_away_is_named(load: Load) -> None:
    """It drives the generator into black or white."""
    model = around(load("resnet18"), nn.Sequential(nn.Identity(), Bursting()))
    plain = model.preprocessing.model_copy(update={"mean": (0.0,) * 3, "std": (1.0,) * 3})
    training = Training(
        replace(model, preprocessing=plain), "1", PICTURES, TrainingParameters(steps=60, batch=4, rate=1.0)
    )
    with pytest.raises(InvalidParameter, match="smaller rate") as caught:
        finish(training)
    assert caught.value.field == "rate"


def test_a_checkpoint_of_something_else_says_what(tiny: Model) -> None:
    checkpoint = starts(tiny)(None).checkpoint()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"steps": 5}, "steps is 4 there, 5 here"),
        ({"seed": 6}, "seed"),
        ({"adversarial_weight": 0.0}, "adversarial_weight"),
    ]
    for changes, words in cases:
        with pytest.raises(CheckpointInvalid, match=words):
            starts(tiny, **changes)(checkpoint)
    with pytest.raises(CheckpointInvalid, match="layer"):
        starts(tiny, "10")(checkpoint)
    with pytest.raises(CheckpointInvalid, match="model"):
        starts(replace(tiny, weights_digest="other"))(checkpoint)
    with pytest.raises(CheckpointInvalid, match="pictures: 70 there, 69 here"):
        Training(tiny, "12", PICTURES[:69], SHORT, source="bars", checkpoint=checkpoint)
    with pytest.raises(CheckpointInvalid, match="source"):
        Training(tiny, "12", PICTURES, SHORT, source="others", checkpoint=checkpoint)
    with pytest.raises(CheckpointInvalid, match="no whole checkpoint"):
        starts(tiny)(checkpoint[:-10])


def test_it_ends(tiny: Model) -> None:
    training = starts(tiny)(None)
    with pytest.raises(ValueError, match="8 steps are left"):
        training.prior()
    finish(training)
    with pytest.raises(ValueError, match="all 8 steps"):
        training.advance()
