"""Grad-CAM weights the channels of a layer by the mean of their gradient."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PIL import Image
from torch import Tensor, nn
from torchcam.methods import GradCAM

from convscope.engine import attribute
from convscope.engine.models.model import Model
from tests.engine.rounding import assert_same_but_rounding, differs

SUGGESTED = {
    "alexnet": "features.11",
    "vgg16": "features.29",
    "resnet18": "layer4",
    "resnet101": "layer4",
    "densenet121": "features",
    "efficientnet_lite0": "head",
}
OTHERS = [
    ("alexnet", "features.0"),
    ("vgg16", "features.28"),  # a ReLU in place follows
    ("vgg16", "features.4"),
    ("resnet18", "conv1"),
    ("resnet18", "layer1.0.bn1"),  # a ReLU in place follows
    ("resnet18", "layer2.0"),
    ("resnet18", "layer4.1.bn2"),  # the shortcut is added in place
    ("resnet101", "layer3"),
    ("densenet121", "features.norm5"),  # a functional ReLU in place follows
    ("densenet121", "features.denseblock2"),
    ("efficientnet_lite0", "head.conv"),
    ("efficientnet_lite0", "blocks.5"),
]
TARGETS = [281, 3]

Load = Callable[[str], Model]
Inputs = Callable[[Model], Tensor]
every_layer = pytest.mark.parametrize(("network", "layer"), [*SUGGESTED.items(), *OTHERS])


def runs_of(module: nn.Module, layer: str, image: Tensor, target: int) -> list[tuple[Tensor, Tensor]]:
    """Activation and gradient of every run of a layer, each [channels, h, w], by a full graph and a backward pass."""
    activations: list[Tensor] = []

    def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        kept = output.clone()
        kept.retain_grad()
        activations.append(kept)
        return kept.clone()

    handle = module.get_submodule(layer).register_forward_hook(keep)
    try:
        scores = module(image.unsqueeze(0).clone().requires_grad_())
        scores[0, target].backward()
    finally:
        handle.remove()
    runs = []
    for activation in activations:
        assert activation.grad is not None
        runs.append((activation.detach()[0], activation.grad[0]))
    return runs


def weighted_sum(activation: Tensor, gradient: Tensor) -> Tensor:
    """Equation 1 and the sum of equation 2, channel by channel."""
    channels, height, width = activation.shape
    total = torch.zeros(height, width, dtype=torch.float64)
    for k in range(channels):
        alpha = gradient[k].double().sum() / (height * width)
        total += alpha * activation[k].double()
    return total


def paper(module: nn.Module, layer: str, images: Tensor, targets: list[int]) -> Tensor:
    """Grad-CAM before its ReLU, one image after the other: [N, h, w]."""
    pairs = zip(images, targets, strict=True)
    return torch.stack([weighted_sum(*runs_of(module, layer, image, target)[-1]) for image, target in pairs])


def assert_same_where_there_is_evidence(found: Tensor, expected: Tensor) -> None:
    """Random weights may find no evidence at all in an image, which is then all zero; not in every image."""
    evident = expected.flatten(1).any(dim=1)
    assert evident.any()
    assert torch.equal(found.flatten(1).any(dim=1), evident)
    assert_same_but_rounding(found[evident], expected[evident])


@every_layer
def test_it_is_the_papers_map_for_every_image_of_a_batch(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    expected = paper(model.module, layer, images, TARGETS)
    found = attribute(model.module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, expected)


@every_layer
def test_without_relu_it_is_captums(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    captum = LayerGradCam(model.module, model.module.get_submodule(layer))
    expected = captum.attribute(images.clone().requires_grad_(), target=TARGETS).detach().squeeze(1)
    found = attribute(model.module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, expected)


@pytest.mark.parametrize(("network", "layer"), SUGGESTED.items())
def test_with_relu_it_is_captums(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    captum = LayerGradCam(model.module, model.module.get_submodule(layer))
    expected = captum.attribute(images.clone().requires_grad_(), target=TARGETS, relu_attributions=True)
    assert_same_where_there_is_evidence(
        attribute(model.module, images, TARGETS, "grad_cam", layer=layer), expected.detach().squeeze(1)
    )


# Where no operation in place follows: torchcam keeps the activation itself, not a copy.
@pytest.mark.parametrize(
    ("network", "layer"),
    [("alexnet", "features.11"), ("resnet18", "layer4"), ("resnet101", "layer4"), ("efficientnet_lite0", "head")],
)
def test_with_relu_it_is_torchcams(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    with GradCAM(model.module, layer) as extractor:
        scores = model.module(images.clone().requires_grad_())
        (expected,) = extractor(class_idx=TARGETS, scores=scores, normalized=False)
    assert_same_where_there_is_evidence(
        attribute(model.module, images, TARGETS, "grad_cam", layer=layer), expected.detach()
    )


@pytest.mark.parametrize("network", SUGGESTED)
def test_without_a_layer_it_looks_at_the_suggested_one(network: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    found = attribute(model.module, images, TARGETS, "grad_cam", relu=False)
    named = attribute(model.module, images, TARGETS, "grad_cam", layer=SUGGESTED[network], relu=False)
    assert named.any()
    assert torch.equal(found, named)


def test_the_relu_keeps_evidence_for_the_class_only(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)[:2]
    signed = paper(model.module, "blocks.5", images, TARGETS)
    assert all(bool((one > 0).any()) and bool((one < 0).any()) for one in signed)
    found = attribute(model.module, images, TARGETS, "grad_cam", layer="blocks.5")
    assert_same_but_rounding(found, signed.clamp(min=0))


@pytest.mark.parametrize(("network", "layer"), [*SUGGESTED.items(), ("resnet18", "conv1")])
def test_batched_and_alone_give_the_same(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    model = load(network)
    images = inputs(model)[:2]
    together = attribute(model.module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    alone = [
        attribute(model.module, images[i : i + 1], TARGETS[i], "grad_cam", layer=layer, relu=False) for i in range(2)
    ]
    assert_same_but_rounding(torch.cat(alone), together)


def test_every_image_is_explained_for_its_own_target(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    cat = inputs(model)[:1].expand(3, -1, -1, -1)
    found = attribute(model.module, cat, [281, 3, 281], "grad_cam", relu=False)
    assert differs(found[0], found[1])
    assert_same_but_rounding(found[2:], found[:1])


def test_without_a_target_the_top_class_of_each_image_is_explained(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    images = inputs(model)
    with torch.no_grad():
        top = [int(model.module(image.unsqueeze(0)).argmax()) for image in images]
    assert len(set(top)) == 3
    expected = paper(model.module, "head", images, top)
    assert_same_but_rounding(attribute(model.module, images, None, "grad_cam", relu=False), expected)


@pytest.mark.parametrize("layer", ["features", "features.norm5"])
def test_the_activation_is_taken_before_an_operation_in_place(layer: str, load: Load, inputs: Inputs) -> None:
    model = load("densenet121")
    images = inputs(model)[:2]
    ((activation, gradient),) = runs_of(model.module, layer, images[0], TARGETS[0])
    overwritten = weighted_sum(activation.relu(), gradient)
    (found,) = attribute(model.module, images[:1], TARGETS[:1], "grad_cam", layer=layer, relu=False)
    assert differs(found, overwritten)


@pytest.mark.parametrize("layer", ["layer4.1.relu", "layer1.0.relu"])
def test_of_a_layer_that_runs_twice_the_last_run_counts(layer: str, load: Load, inputs: Inputs) -> None:
    model = load("resnet18")
    images = inputs(model)[:2]
    found = attribute(model.module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, paper(model.module, layer, images, TARGETS))
    first, _ = runs_of(model.module, layer, images[0], TARGETS[0])
    assert differs(found[0], weighted_sum(*first))


@pytest.mark.parametrize("cat_on_the_left", [True, False])
def test_beside_a_cup_the_evidence_for_a_cat_lies_on_the_cat(
    cat_on_the_left: bool, load: Load, photographs: dict[str, Image.Image]
) -> None:
    model = load("efficientnet_lite0")
    cat = photographs["chelsea"].crop((100, 0, 330, 230)).resize((112, 112))
    cup = photographs["coffee"].crop((150, 50, 450, 350)).resize((112, 112))
    picture = Image.new("RGB", (224, 224), "grey")
    picture.paste(cat, (0 if cat_on_the_left else 112, 56))
    picture.paste(cup, (112 if cat_on_the_left else 0, 56))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).unsqueeze(0)
    images = model.preprocessing.normalize(pixels).expand(2, -1, -1, -1)
    tabby, espresso = 281, 967
    for found, lies_left in zip(
        attribute(model.module, images, [tabby, espresso], "grad_cam"),
        (cat_on_the_left, not cat_on_the_left),
        strict=True,
    ):
        left, right = found[:, :3].sum(), found[:, 4:].sum()
        assert left > 3 * right if lies_left else right > 3 * left
