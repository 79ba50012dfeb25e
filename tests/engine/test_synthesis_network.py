"""A synthesis leaves nothing behind in a network, and copies nothing to the host in a step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.models.weights import weights_digest
from convscope.engine.synthesis.adversarial import adversarial
from convscope.engine.synthesis.channel_visualization import channel_visualization
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.deep_dream import deep_dream
from convscope.engine.synthesis.feature_inversion import feature_inversion
from convscope.engine.synthesis.parameters import AdversarialParameters, DeepDreamParameters, SynthesisParameters
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from convscope.engine.synthesis.synthesis import Synthesis
from tests.engine.reference import Load

CLASSES = SynthesisParameters(
    steps=2, step_size=350.0, momentum=0.5, l2=9e-7, jitter=32, gradient_blur=1.0, normalization="norm"
)
DREAM = DeepDreamParameters(steps=1, octaves=2, size=96)
UNITS = RECIPES["olah2017"].with_overrides({"steps": 2, "redirected_relu_steps": 1})
FEATURES = INVERSIONS["mahendran2015"].with_overrides({"steps": 2})
EVOLVED = RECIPES["nguyen2015"].with_overrides({"steps": 2, "population": 2})
BENT = RECIPES["szegedy2013"].with_overrides({"steps": 2})
ATTACK = AdversarialParameters(steps=2, confidence=0.999)
SILENT = ("classes", "dream", "guided dream", "units", "features", "evolved")
# Whether a step rises, and whether the file has the answer, the host has to know.
KINDS = (*SILENT, "bent", "attack")


def start(kind: str, load: Load, photographs: dict[str, Image.Image]) -> Synthesis:
    model = load("resnet18")
    if kind == "classes":
        return class_visualization(model, [1, 2], CLASSES)
    if kind in {"evolved", "bent"}:
        return class_visualization(model, [1, 2], EVOLVED if kind == "evolved" else BENT)
    if kind == "units":
        return channel_visualization(model, [UnitTarget("layer3", 1), UnitTarget("layer4", 2, (1, 1))], UNITS)
    if kind == "features":
        return feature_inversion(model, photographs["china"], ["layer2", "layer3"], FEATURES)
    if kind == "attack":
        return adversarial(model, photographs["china"], None, ATTACK)
    guide = photographs["coffee"] if kind == "guided dream" else None
    return deep_dream(model, photographs["china"], DREAM, guide)


def left(module: nn.Module) -> list[Any]:
    """All that a pass could leave behind."""
    found: list[Any] = [weights_digest(module)]
    found += [(part.training, len(part._forward_hooks), len(part._forward_pre_hooks)) for part in module.modules()]
    found += [(parameter.requires_grad, parameter.grad) for parameter in module.parameters()]
    return [*found, torch.is_grad_enabled()]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_behind(load: Load, photographs: dict[str, Image.Image], kind: str) -> None:
    module = load("resnet18").module
    before = left(module)
    synthesis = start(kind, load, photographs)
    assert left(module) == before
    for _ in synthesis:
        assert left(module) == before
    with pytest.raises(ValueError, match="all 2 steps are done"):
        synthesis.advance()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_leaves_nothing_behind_and_the_step_can_be_taken_again(
    load: Load, photographs: dict[str, Image.Image], kind: str
) -> None:
    module = load("resnet18").module
    undisturbed, disturbed = start(kind, load, photographs), start(kind, load, photographs)
    undisturbed.advance()
    before = left(module)
    with failing(module.get_submodule("layer2")), pytest.raises(ZeroDivisionError):
        disturbed.advance()
    assert left(module) == before
    disturbed.advance()
    assert disturbed.checkpoint() == undisturbed.checkpoint()


@contextmanager
def failing(module: nn.Module) -> Iterator[None]:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    handle = module.register_forward_hook(fail)
    try:
        yield
    finally:
        handle.remove()


def test_it_works_within_no_grad(load: Load, photographs: dict[str, Image.Image]) -> None:
    inside, outside = start("classes", load, photographs), start("classes", load, photographs)
    with torch.no_grad():
        inside.advance()
        assert not torch.is_grad_enabled()
    outside.advance()
    assert inside.checkpoint() == outside.checkpoint()


class Copies(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that bring a number to the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        of_jitter = args and isinstance(args[0], torch.Tensor) and args[0].dtype == torch.int64
        if func is torch.ops.aten._local_scalar_dense.default and not of_jitter:
            self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", SILENT)
def test_a_step_copies_nothing_to_the_host(load: Load, photographs: dict[str, Image.Image], kind: str) -> None:
    synthesis = start(kind, load, photographs)
    with Copies() as copies:
        synthesis.advance()
        torch.ones(1).item()
    assert copies.count == 1


def test_memory_does_not_grow_with_steps(load: Load) -> None:
    """But by the history, a few bytes each."""
    synthesis = class_visualization(load("squeezenet1_1"), [1], CLASSES.model_copy(update={"steps": 100_000}))
    assert len(synthesis.checkpoint()) < 4_000_000
    synthesis.advance()
    first = len(synthesis.checkpoint())
    for _ in range(5):
        synthesis.advance()
    assert len(synthesis.checkpoint()) - first < 200
