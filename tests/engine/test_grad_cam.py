"""Grad-CAM weights the channels of a layer by the mean of their gradient."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PIL import Image
from torch import Tensor, nn
from torchcam.methods import GradCAM

from convscope.engine import attribute
from tests.engine.reference import (
    SUGGESTED,
    TARGETS,
    Inputs,
    Load,
    Shows,
    assert_same_where_there_is_evidence,
    runs_of,
    show,
)
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import for_peers, precise

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
    ("googlenet", "inception4c.branch2"),
    ("vit_b_16", "encoder.layers.encoder_layer_6"),
]
WITHOUT_TOKENS = {network: layer for network, layer in SUGGESTED.items() if network != "vit_b_16"}


def weighted_sum(activation: Tensor, gradient: Tensor) -> Tensor:
    """Equation 1 and the sum of equation 2, channel by channel."""
    channels, height, width = activation.shape
    total = torch.zeros(height, width, dtype=torch.float64)
    for k in range(channels):
        alpha = gradient[k].double().sum() / (height * width)
        total += alpha * activation[k].double()
    return total.unsqueeze(0)


def paper(module: nn.Module, layer: str, images: Tensor, targets: list[int]) -> Tensor:
    """Grad-CAM before its ReLU, one image after the other: [N, 1, h, w]."""
    shown = [show(module, layer, image, target) for image, target in zip(images, targets, strict=True)]
    return torch.stack([weighted_sum(one.activation, one.gradient) for one in shown])


@pytest.mark.parametrize("network", SUGGESTED)
def test_without_a_layer_it_is_the_papers_map_of_the_suggested_one(
    network: str, load: Load, inputs: Inputs, shown: Shows
) -> None:
    expected = torch.stack([weighted_sum(one.activation, one.gradient) for one in shown(network)])
    found = attribute(*precise(network, load, inputs), TARGETS, "grad_cam", relu=False)
    assert_same_but_rounding(found, expected)


@pytest.mark.parametrize(("network", "layer"), OTHERS)
def test_it_is_the_papers_map_for_every_image_of_a_batch(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    expected = paper(module, layer, images, TARGETS)
    found = attribute(module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, expected)


@pytest.mark.parametrize(("network", "layer"), [*WITHOUT_TOKENS.items(), *OTHERS[:-1]])
def test_without_relu_it_is_captums(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    captum = LayerGradCam(module, module.get_submodule(layer))
    expected = captum.attribute(images.clone().requires_grad_(), target=TARGETS).detach()
    found = attribute(module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, expected)


@pytest.mark.parametrize(("network", "layer"), WITHOUT_TOKENS.items())
def test_with_relu_it_is_captums(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    captum = LayerGradCam(module, module.get_submodule(layer))
    expected = captum.attribute(images.clone().requires_grad_(), target=TARGETS, relu_attributions=True)
    assert_same_where_there_is_evidence(attribute(module, images, TARGETS, "grad_cam", layer=layer), expected.detach())


# Where no operation in place follows: torchcam keeps the activation itself, not a copy.
@pytest.mark.parametrize(
    ("network", "layer"),
    [("alexnet", "features.11"), ("resnet18", "layer4"), ("resnet101", "layer4"), ("efficientnet_lite0", "head")],
)
def test_with_relu_it_is_torchcams(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = for_peers(network, load, inputs)
    with GradCAM(module, layer) as extractor:
        scores = module(images.clone().requires_grad_())
        (expected,) = extractor(class_idx=TARGETS, scores=scores, normalized=False)
    assert_same_where_there_is_evidence(
        attribute(module, images, TARGETS, "grad_cam", layer=layer), expected.detach().unsqueeze(1)
    )


def test_the_relu_keeps_evidence_for_the_class_only(load: Load, inputs: Inputs) -> None:
    module, images = precise("efficientnet_lite0", load, inputs)
    signed = paper(module, "blocks.5", images, TARGETS)
    assert all(bool((one > 0).any()) and bool((one < 0).any()) for one in signed)
    found = attribute(module, images, TARGETS, "grad_cam", layer="blocks.5")
    assert_same_but_rounding(found, signed.clamp(min=0))


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        ("alexnet", "features.11"),
        ("resnet18", "conv1"),
        ("densenet121", "features"),
        ("efficientnet_lite0", "head"),
        ("vit_b_16", SUGGESTED["vit_b_16"]),
    ],
)
def test_batched_and_alone_give_the_same(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    together = attribute(module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    alone = [attribute(module, images[i : i + 1], TARGETS[i], "grad_cam", layer=layer, relu=False) for i in range(2)]
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
    module, images = precise("densenet121", load, inputs)
    shown = show(module, layer, images[0], TARGETS[0])
    overwritten = weighted_sum(shown.activation.relu(), shown.gradient)
    (found,) = attribute(module, images[:1], TARGETS[:1], "grad_cam", layer=layer, relu=False)
    assert differs(found, overwritten)


@pytest.mark.parametrize("layer", ["layer4.1.relu", "layer1.0.relu"])
def test_of_a_layer_that_runs_twice_the_last_run_counts(layer: str, load: Load, inputs: Inputs) -> None:
    module, images = precise("resnet18", load, inputs)
    found = attribute(module, images, TARGETS, "grad_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, paper(module, layer, images, TARGETS))
    first, _ = runs_of(module, layer, images[0].clone().requires_grad_(), TARGETS[0])
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
        left, right = found[0, :, :3].sum(), found[0, :, 4:].sum()
        assert left > 3 * right if lies_left else right > 3 * left


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_lite0"])
def test_counterfactual_it_is_the_evidence_against_the_target(network: str, load: Load, inputs: Inputs) -> None:
    """Equation 3: alpha_k = mean_ij -dS/dA^k_ij."""
    model = load(network)
    images = inputs(model)[:2]
    signed = paper(model.module, SUGGESTED[network], images, TARGETS)
    found = attribute(model.module, images, TARGETS, "grad_cam", counterfactual=True)
    assert_same_where_there_is_evidence(found, (-signed).clamp(min=0))
    both = attribute(model.module, images, TARGETS, "grad_cam") - found
    assert_same_but_rounding(both, signed)
    assert_same_but_rounding(
        attribute(model.module, images, TARGETS, "grad_cam", counterfactual=True, relu=False), -signed
    )


def test_of_vit_each_place_is_the_token_of_its_patch(load: Load, inputs: Inputs) -> None:
    """The class token has no place; the 15th patch begins the second row."""
    model = load("vit_b_16")
    images, layer = inputs(model)[:1], SUGGESTED["vit_b_16"]
    ((activation, gradient),) = runs_of(model.module, layer, images[0].clone().requires_grad_(), 3)
    alpha = gradient[1:].double().mean(dim=0)
    found = attribute(model.module, images, 3, "grad_cam", relu=False)
    assert found.shape == (1, 1, 14, 14)
    expected = activation[1:].double() @ alpha
    assert_same_but_rounding(found[:, 0, 1, 0], expected[14].view(1))
    assert_same_but_rounding(found.flatten(1), expected.unsqueeze(0))


def test_of_swin_the_channels_stand_last(load: Load, inputs: Inputs) -> None:
    model = load("swin_t")
    images, layer = inputs(model)[:1], "features.5.1"
    ((activation, gradient),) = runs_of(model.module, layer, images[0].clone().requires_grad_(), 3)
    assert activation.shape == (14, 14, 384)
    found = attribute(model.module, images, 3, "grad_cam", layer=layer, relu=False)
    expected = weighted_sum(activation.permute(2, 0, 1), gradient.permute(2, 0, 1))
    assert_same_but_rounding(found, expected.unsqueeze(0))
