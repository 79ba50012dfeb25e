"""What is attacked is the file: what is claimed of it holds for what is decoded again."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, InvalidParameter
from convscope.engine.models.model import Model
from convscope.engine.synthesis.adversarial import Adversarial, adversarial
from convscope.engine.synthesis.errors import CheckpointInvalid
from convscope.engine.synthesis.parameters import AdversarialParameters
from tests.engine.reference import Load
from tests.engine.synthesis.tiny_network import around

Photographs = dict[str, Image.Image]
Levels = NDArray[np.int64]
Run = Callable[[str], tuple[Adversarial, Image.Image]]
ORANGE = 950


def run(model: Model, picture: Image.Image | None, target: int | None, **values: Any) -> Adversarial:
    attack = adversarial(model, picture, target, AdversarialParameters.parse(values))
    for _ in attack:
        pass
    return attack


def decoded(picture: Image.Image) -> Image.Image:
    file = BytesIO()
    picture.save(file, "PNG")
    with Image.open(file) as opened:
        return opened.convert("RGB")


def levels(picture: Image.Image) -> Levels:
    return np.asarray(picture).astype(np.int64)


def probabilities(model: Model, picture: Image.Image) -> Tensor:
    """As whoever classifies the file finds them."""
    pixels, _ = model.preprocessing.crop(picture)
    with torch.no_grad():
        scores: Tensor = model.module(model.preprocessing.normalize(pixels[None]))[0]
    return scores.softmax(0)


# Network, photograph, target, parameters, and whether it is known to succeed.
CASES: dict[str, tuple[str, str, int | None, dict[str, Any], bool | None]] = {
    "pgd": ("efficientnet_lite0", "chelsea", None, {"epsilon": 2 / 255, "steps": 10}, True),
    "pgd, target": ("efficientnet_lite0", "china", ORANGE, {"epsilon": 4 / 255, "steps": 20}, True),
    "pgd, l2": ("efficientnet_lite0", "chelsea", None, {"norm": "l2", "epsilon": 2.0, "steps": 10}, True),
    "pgd, confidence": (
        "efficientnet_lite0", "chelsea", ORANGE, {"epsilon": 8 / 255, "steps": 40, "confidence": 0.9}, True,
    ),
    "pgd, less of the first": (
        "efficientnet_lite0", "china", None, {"epsilon": 8 / 255, "steps": 40, "confidence": 0.95}, True,
    ),
    "pgd, restarts": (
        "resnet18", "chelsea", ORANGE, {"norm": "l2", "epsilon": 3.3, "steps": 3, "restarts": 2}, None,
    ),
    "pgd of a random network": ("resnet18", "china", None, {"epsilon": 2.5 / 255, "steps": 3}, None),
    "fgsm": ("efficientnet_lite0", "chelsea", None, {"attack": "fgsm", "epsilon": 4 / 255}, True),
    "fgsm, l2": ("efficientnet_lite0", "china", ORANGE, {"attack": "fgsm", "norm": "l2", "epsilon": 3.0}, None),
    "deepfool": ("efficientnet_lite0", "chelsea", None, {"attack": "deepfool"}, True),
    "deepfool, l2": ("efficientnet_lite0", "chelsea", None, {"attack": "deepfool", "norm": "l2"}, True),
    "ascent": (
        "efficientnet_lite0", "china", ORANGE, {"attack": "ascent", "steps": 60, "confidence": 0.9}, True,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def attacked(load: Load, photographs: Photographs) -> Run:
    """Each of the CASES, run once, and its photograph."""

    @cache
    def attacked(case: str) -> tuple[Adversarial, Image.Image]:
        network, photograph, target, values, _ = CASES[case]
        return run(load(network), photographs[photograph], target, **values), photographs[photograph]

    return attacked


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_answered_as_is_told_and_lies_within_the_bounds(load: Load, attacked: Run, case: str) -> None:
    network, _, target, values, known = CASES[case]
    model, (attack, original) = load(network), attacked(case)
    told, (result,) = attack.outcome(), attack.results()
    file = decoded(attack.pictures()[0])
    assert file.size == original.size
    before, after = probabilities(model, original), probabilities(model, file)
    first, now, confidence = int(before.argmax()), int(after.argmax()), values.get("confidence", 0)
    if target is None:
        fooled = now != first and float(after[first]) <= 1 - confidence
    else:
        fooled = now == target and float(after[target]) >= confidence
    assert told["fooled"] == fooled
    if known is not None:
        assert fooled == known
    for key, found in (("before", before), ("after", after)):
        top = found.topk(5)
        assert [one["index"] for one in told[key]] == top.indices.tolist()
        assert [one["label"] for one in told[key]] == [model.labels[one] for one in top.indices.tolist()]
        # The same network on the same pixels.
        np.testing.assert_allclose([one["probability"] for one in told[key]], top.values, rtol=1e-5)
    meant = now if target is None else target
    assert (result["target"], result["label"]) == (meant, model.labels[meant])
    assert result["probability"] == result["score"] == pytest.approx(float(after[meant]), rel=1e-5)

    change = (levels(file) - levels(original)) / 255
    assert told["linf"] == pytest.approx(np.abs(change).max())
    assert told["l2"] == pytest.approx(np.sqrt((change**2).sum()))
    assert told["changed"] == pytest.approx((change != 0).any(axis=2).mean())
    if values.get("attack", "pgd") in {"pgd", "fgsm"}:
        norm, epsilon = values.get("norm", "linf"), values["epsilon"]
        # A root of a sum of squares is rounded by float32; whole levels in a cube are not.
        assert told[norm] <= epsilon * (1 + 1e-7)
    assert told["steps"] == attack.step <= attack.total


@pytest.mark.parametrize("case", ["pgd", "deepfool, l2"])
def test_beside_it_lie_the_original_and_the_perturbation(attacked: Run, case: str) -> None:
    attack, original = attacked(case)
    extra = attack.extra_pictures()
    assert list(extra) == ["original.png", "perturbation.png"]
    np.testing.assert_array_equal(levels(extra["original.png"]), levels(original))
    change = levels(attack.pictures()[0]) - levels(original)
    magnification = attack.outcome()["magnification"]
    assert magnification == pytest.approx(127.5 / np.abs(change).max())
    shown = (levels(extra["perturbation.png"]) - 127.5) / magnification
    # Rounded to whole levels after it was magnified.
    assert np.abs(shown - change).max() <= 0.51 / magnification


def test_deepfool_changes_less_than_the_other_attacks(attacked: Run) -> None:
    """On the same photograph, all three untargeted and successful."""
    deepfool, *others = (attacked(case)[0].outcome() for case in ("deepfool, l2", "pgd, l2", "pgd", "fgsm", "deepfool"))
    assert deepfool["fooled"]
    assert all(deepfool["l2"] < 0.5 * other["l2"] for other in others)
    assert attacked("deepfool")[0].outcome()["linf"] <= attacked("pgd")[0].outcome()["linf"]


def test_fgsm_is_one_step(attacked: Run) -> None:
    attack, original = attacked("fgsm")
    assert (attack.total, attack.step) == (1, 1)
    moved = levels(attack.pictures()[0]) - levels(original)
    clipped = (levels(original) < 4) | (levels(original) > 251)
    assert set(np.unique(moved[~clipped]).tolist()) <= {-4, 0, 4}


def test_noise_is_made_into_a_class_of_which_the_network_is_sure(load: Load) -> None:
    """The lecture's loop, from noise until 99 %."""
    model = load("efficientnet_lite0")
    attack = run(model, None, ORANGE, attack="ascent", confidence=0.99, steps=100)
    assert attack.step < 100, "it ends once it is there"
    assert attack.outcome()["fooled"]
    file = decoded(attack.pictures()[0])
    assert file.size == (model.preprocessing.width, model.preprocessing.height)
    assert probabilities(model, file)[ORANGE] >= 0.99
    assert float(probabilities(model, attack.extra_pictures()["original.png"])[ORANGE]) < 0.01


@pytest.fixture(scope="package")
def whole(tiny: Model) -> Model:
    """The tiny network, whose pictures of 48 x 40 are seen as they are."""
    return replace(tiny, preprocessing=tiny.preprocessing.model_copy(update={"resize": 48, "width": 48}))


@pytest.fixture(scope="package")
def small(photographs: Photographs) -> Image.Image:
    return photographs["chelsea"].crop((0, 0, 300, 300)).resize((48, 48))


def by_hand(  # noqa: PLR0917  # what is varied
    model: Model, picture: Image.Image, target: int | None, start: Tensor, epsilon: int, step_size: float, steps: int
) -> Tensor:
    """Madry et al. 2018: x = clip(x + step sign(gradient)) within the cube, seen as whole grey levels of 255."""
    mean, std = (torch.tensor(c).view(1, 3, 1, 1) for c in (model.preprocessing.mean, model.preprocessing.std))
    original = torch.tensor(np.array(picture), dtype=torch.float64).permute(2, 0, 1)[None]
    first = int(model.module((original / 255 - mean) / std).argmax())
    moved = start
    for _ in range(steps):
        seen = moved.round().requires_grad_()
        logarithms = model.module((seen / 255 - mean) / std).log_softmax(1)[0]
        value = -logarithms[first] if target is None else logarithms[target]
        (gradient,) = torch.autograd.grad(value, seen)
        moved = moved + step_size * gradient.sign()
        moved = original + (moved - original).clamp(-epsilon, epsilon)
        moved = moved.clamp(0, 255)
    return moved


@pytest.mark.usefixtures("exactly")
@pytest.mark.parametrize("target", [None, 7])
@pytest.mark.parametrize("attack", ["pgd", "fgsm", "ascent"])
def test_it_is_what_one_writes_by_hand(
    tiny_exactly: Model, whole: Model, small: Image.Image, target: int | None, attack: str
) -> None:
    """In float64: in float32 a gradient near zero has any sign."""
    model = replace(tiny_exactly, preprocessing=whole.preprocessing)
    values: dict[str, Any] = {"attack": attack, "steps": 6, "confidence": 0.999, "epsilon": 8 / 255}
    if attack == "pgd":
        # Multiples of 2.4 are no halves, which one may round up or down.
        values |= {"random_start": False, "step_size": 2.4 / 255}
    found = adversarial(model, small, target, AdversarialParameters.parse(values))
    start = found.state().variables
    for _ in found:
        pass
    size, steps, epsilon = {"pgd": (2.4, 6, 8), "fgsm": (8, 1, 8), "ascent": (1, 6, 255)}[attack]
    expected = by_hand(model, small, target, start, epsilon, size, steps)
    np.testing.assert_array_equal(levels(found.pictures()[0]), expected[0].round().permute(1, 2, 0).numpy())


def test_a_random_start_is_within_the_ball_and_seeded(whole: Model, small: Image.Image) -> None:
    starts = [
        adversarial(whole, small, None, AdversarialParameters(seed=seed)).state().pictures()[0] for seed in (1, 1, 2)
    ]
    changes = [levels(start) - levels(small) for start in starts]
    assert np.array_equal(changes[0], changes[1])
    assert not np.array_equal(changes[0], changes[2])
    assert all(np.abs(change).max() == 8 for change in changes)
    still = adversarial(whole, small, None, AdversarialParameters(random_start=False))
    np.testing.assert_array_equal(levels(still.state().pictures()[0]), levels(small))


def test_restarts_go_side_by_side_and_the_best_is_kept(whole: Model, small: Image.Image) -> None:
    attack = run(whole, small, 7, restarts=3, steps=5, epsilon=3 / 255, confidence=0.999)
    assert [len(row) for row in attack.history()["scores"]] == [3] * 5
    scores = attack.history()["scores"][-1]
    assert len(set(scores)) == 3, "they started elsewhere"
    assert attack.progress().scores == (max(scores),)
    assert attack.values().shape == (1, 48, 48, 3)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_is_that_of_the_pictures_as_they_are_after_the_last_step(
    whole: Model, small: Image.Image, seed: int
) -> None:
    attack = run(whole, small, 7, restarts=4, steps=1, epsilon=6 / 255, step_size=5 / 255, confidence=0.999, seed=seed)
    rounded = [Image.fromarray(one) for one in shown(attack)]
    each = [float(probabilities(whole, picture)[7]) for picture in rounded]
    assert attack.results()[0]["probability"] == pytest.approx(max(each), rel=1e-5)


def shown(attack: Adversarial) -> list[NDArray[np.uint8]]:
    """Every restart's picture, not the kept one alone."""
    with torch.no_grad():
        pictures = attack._parts.parameterization.shown(attack._variables)
    return list((255 * pictures).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())


def test_an_attack_ends_where_it_has_its_answer(whole: Model, small: Image.Image) -> None:
    attack = run(whole, small, None, steps=1000, epsilon=60 / 255, step_size=3 / 255)
    assert attack.over
    assert attack.step < 1000
    assert attack.outcome()["fooled"]
    with pytest.raises(ValueError, match="done"):
        attack.advance()


def test_more_confidence_takes_more_steps(load: Load, attacked: Run, photographs: Photographs) -> None:
    model, china = load("efficientnet_lite0"), photographs["china"]
    least = run(model, china, ORANGE, attack="ascent", steps=60)
    assert least.step < attacked("ascent")[0].step < 60


ATTACKS: dict[str, dict[str, Any]] = {
    "ascent": {"attack": "ascent", "confidence": 0.999},
    "fgsm": {"attack": "fgsm"},
    "pgd": {"confidence": 0.999},
    "pgd, restarts": {"restarts": 3, "confidence": 0.999},
    "pgd, l2": {"norm": "l2", "epsilon": 1.0, "confidence": 0.999},
    "deepfool": {"attack": "deepfool", "confidence": 0.999},
    "deepfool, l2": {"attack": "deepfool", "norm": "l2", "confidence": 0.999},
    "deepfool that ends": {"attack": "deepfool", "norm": "l2"},
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("photograph", ["small", "china"])
def test_going_on_gives_to_the_byte_what_an_undisturbed_run_gives(  # what is varied
    whole: Model, small: Image.Image, photographs: Photographs, name: str, photograph: str
) -> None:
    picture = small if photograph == "small" else photographs["china"].resize((90, 60))
    parameters = AdversarialParameters.parse({"steps": 6, **ATTACKS[name]})
    undisturbed = adversarial(whole, picture, None, parameters)
    kept = [undisturbed.checkpoint()]
    for _ in undisturbed:
        kept.append(undisturbed.checkpoint())
    for checkpoint in kept:
        resumed = adversarial(whole, picture, None, parameters, checkpoint)
        for _ in resumed:
            pass
        assert resumed.values().tobytes() == undisturbed.values().tobytes()
        assert resumed.checkpoint() == kept[-1]
        assert resumed.outcome() == undisturbed.outcome()
        assert resumed.results() == undisturbed.results()


def test_a_checkpoint_of_another_picture_or_target(whole: Model, small: Image.Image) -> None:
    parameters = AdversarialParameters()
    data = adversarial(whole, small, 7, parameters).checkpoint()
    for picture, target in ((small.rotate(90), 7), (small, 8), (small, None)):
        with pytest.raises(CheckpointInvalid, match=r"picture|target"):
            adversarial(whole, picture, target, parameters, data)


def test_a_network_that_gives_no_gradient_changes_nothing(load: Load, small: Image.Image) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1000))
    nn.init.constant_(module[0].bias, -1e6)  # type: ignore[arg-type]
    model = around(load("resnet18"), module.requires_grad_(False), 48, 48)
    model = replace(model, preprocessing=model.preprocessing.model_copy(update={"resize": 48}))
    for values in ({"random_start": False}, {"attack": "fgsm"}, {"attack": "ascent"}, {"norm": "l2", "epsilon": 1.0,
                   "random_start": False}, {"attack": "deepfool"}, {"attack": "deepfool", "norm": "l2"}):  # fmt: skip
        attack = run(model, small, None, steps=3, **values)
        np.testing.assert_array_equal(levels(attack.pictures()[0]), levels(small))
        assert not attack.outcome()["fooled"]
        assert attack.outcome()["magnification"] == 1.0


def test_a_picture_of_another_mode(whole: Model, small: Image.Image) -> None:
    attack = run(whole, small.convert("L"), None, attack="fgsm")
    assert attack.values().shape == (1, 48, 48, 3)


@pytest.mark.parametrize(
    ("field", "picture", "target", "values"),
    [
        ("target", True, 1000, {}),
        ("target", True, -1, {}),
        ("target", True, "cat", {}),
        ("target", True, 1.0, {}),
        ("target", True, 7, {"attack": "deepfool"}),
        ("target", False, None, {"attack": "ascent"}),
        ("attack", False, 7, {}),
        ("attack", False, 7, {"attack": "fgsm"}),
        ("attack", False, None, {"attack": "deepfool"}),
    ],
)
def test_what_cannot_be_attacked_names_the_field(  # noqa: PLR0917  # what is varied
    whole: Model, small: Image.Image, field: str, picture: bool, target: Any, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        adversarial(whole, small if picture else None, target, AdversarialParameters.parse(values))
    assert caught.value.field == field


def test_the_answer_that_is_given_already_is_no_target(whole: Model, small: Image.Image) -> None:
    first = int(probabilities(whole, small).argmax())
    with pytest.raises(InvalidInput, match="already") as caught:
        adversarial(whole, small, first, AdversarialParameters())
    assert (caught.value.field, caught.value.reason) == ("target", "TARGET_ANSWERED")
    sure = float(probabilities(whole, small)[first])
    attack = run(whole, small, first, attack="ascent", confidence=min(0.99, 1.2 * sure), steps=50)
    assert attack.outcome()["fooled"], "but more of it may be asked for"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("attack", {"attack": "cw"}),
        ("norm", {"norm": "l1"}),
        ("epsilon", {"epsilon": 0.0}),
        ("epsilon", {"epsilon": -1.0}),
        ("epsilon", {"epsilon": float("nan")}),
        ("epsilon", {"epsilon": 0.9 / 255}),
        ("epsilon", {"epsilon": 0.9 / 255, "attack": "fgsm"}),
        ("steps", {"steps": 0}),
        ("steps", {"steps": 100_001}),
        ("steps", {"steps": 1.5}),
        ("step_size", {"step_size": 0.0}),
        ("step_size", {"step_size": float("inf")}),
        ("step_size", {"step_size": 1e300}),
        ("restarts", {"restarts": 0}),
        ("restarts", {"restarts": 17}),
        ("restarts", {"restarts": 2, "attack": "fgsm"}),
        ("restarts", {"restarts": 2, "attack": "deepfool"}),
        ("random_start", {"random_start": 1}),
        ("confidence", {"confidence": 1.0}),
        ("confidence", {"confidence": -0.1}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": 2**63}),
        ("nothing", {"nothing": 1}),
    ],
)
def test_a_bad_value_is_refused_by_name(field: str, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=field) as caught:
        AdversarialParameters.parse(values)
    assert caught.value.field == field
