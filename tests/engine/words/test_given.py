"""Networks with their words given: every method explains a word as it would a class."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.engine.attribution.attribute import attribute, attribute_fully
from convscope.engine.attribution.methods import METHODS
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.errors import InvalidInput
from convscope.engine.models.layers import map_layers
from convscope.engine.shapes.networks.answerer import Answerer
from convscope.engine.shapes.networks.captioner import ShapesCaptioner
from convscope.engine.shapes.networks.eye import FEATURES, GRID
from convscope.engine.words.given import Given

NETWORKS: dict[str, type[nn.Module]] = {"captioner": ShapesCaptioner, "answerer": Answerer}
WORDS = torch.tensor([[1, 3, 7, 0], [2, 5, 0, 0], [4, 4, 6, 0]])
LAYER = "eye.block5.activation"
# Which need what these networks have none of.
UNSUITED = ("attention_rollout", "deep_lift")


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        made = NETWORKS[request.param]().eval().requires_grad_(False)
        for part in made.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
    return made


def pictures(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(8))


def test_the_scores_are_the_networks_own_and_so_are_the_layers(network: nn.Module) -> None:
    given = Given(network, WORDS)
    with torch.no_grad():
        torch.testing.assert_close(given(pictures()), network(pictures(), WORDS))
    names = {name for name, _ in network.named_modules() if name}
    layers = map_layers(Given(network, WORDS[:1]), pictures())
    assert {layer.name for layer in layers.layers} <= names
    assert layers.layer(LAYER).output_shape == (FEATURES, GRID, GRID)
    assert {name for name, _ in given.named_parameters()} == {name for name, _ in network.named_parameters()}


def reference(network: nn.Module, image: Tensor, words: Tensor, position: int) -> tuple[Tensor, Tensor, Tensor]:
    """What is explained, its gradient by the pixels, and Grad-CAM at the eye's end, by plain autograd."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    image = image[None].clone().requires_grad_()
    handle = network.get_submodule(LAYER).register_forward_hook(keep)
    try:
        value = network(image, words[None])[0, position]
    finally:
        handle.remove()
    torch.autograd.backward(value)
    assert image.grad is not None
    (activation,) = kept
    assert activation.grad is not None
    weights = activation.grad.mean((2, 3), keepdim=True)
    return value.detach(), image.grad, functional.relu((weights * activation).sum(1, keepdim=True)).detach()


@pytest.mark.parametrize("position", [0, 1])
def test_gradients_and_grad_cam_are_those_of_plain_autograd(network: nn.Module, position: int) -> None:
    """Each picture with words of its own, in one batch."""
    given, images = Given(network, WORDS), pictures()
    target = ClassTarget((position,), output="score")
    gradient = attribute_fully(given, images, target, "gradient")
    cams = attribute(given, images, target, "grad_cam", layer=LAYER)
    for row, (image, words) in enumerate(zip(images, WORDS, strict=True)):
        value, pixels, cam = reference(network, image, words, position)
        torch.testing.assert_close(gradient.explained[row], value, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gradient.values[row : row + 1], pixels, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(cams[row : row + 1], cam, rtol=1e-3, atol=1e-7)


def test_a_caption_is_the_sum_of_its_words() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = ShapesCaptioner().eval().requires_grad_(False)
    given, image = Given(network, WORDS[:1]), pictures(1)
    whole = attribute(given, image, ClassTarget((0, 1, 2, 3), output="score"), "gradient")
    words = [attribute(given, image, ClassTarget((place,), output="score"), "gradient") for place in range(4)]
    torch.testing.assert_close(whole, torch.stack(words).sum(0), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in UNSUITED])
def test_every_method_explains_a_word(network: nn.Module, method: str) -> None:
    """One sentence for every changed version of the picture."""
    parameters: dict[str, dict[str, Any]] = {"rise": {"masks": 64}, "occlusion": {"window": 16, "stride": 16}}
    given, image = Given(network, WORDS[:1]), pictures(1)
    found = attribute_fully(given, image, ClassTarget((1,), output="score"), method, **parameters.get(method, {}))
    with torch.no_grad():
        torch.testing.assert_close(found.explained, network(image, WORDS[:1])[:, 1], rtol=1e-4, atol=1e-5)
    assert found.values.isfinite().all()


def test_a_long_method_is_told_one_sentence_at_a_time(network: nn.Module) -> None:
    with pytest.raises(InvalidInput, match="one sentence at a time"):
        attribute(Given(network, WORDS), pictures(), ClassTarget((1,)), "occlusion")
