"""Score-CAM weights the channels of a layer by the score of the picture seen through each."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pytorch_grad_cam import ScoreCAM as PytorchGradCamScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam.methods import ScoreCAM as TorchcamScoreCAM

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.target import ClassTarget, UnitTarget
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import NETWORKS, activation_of, precise, scanned

MASKS = 5
# Layers with few channels, through all of which the reference can look. A ReLU in place follows layer1.0.bn1.
FEW_CHANNELS = {
    "alexnet": "features.2",
    "resnet18": "layer1.0.bn1",
    "densenet121": "features.denseblock1.denselayer2.conv2",
    "googlenet": "inception3a.branch4.1",
    "efficientnet_lite0": "blocks.0",
}


def seen_through(module: nn.Module, image: Tensor, channel: Tensor, target: int) -> float:
    """Algorithm 1, lines 6 to 9: the score of the picture behind a channel, upsampled and scaled to 0..1."""
    mask = F.interpolate(channel[None, None], image.shape[1:], mode="bilinear", align_corners=False)[0, 0]
    lowest, highest = float(mask.min()), float(mask.max())
    mask = (mask - lowest) / (highest - lowest) if highest > lowest else torch.zeros_like(mask)
    with torch.no_grad():
        return float(module((image * mask).unsqueeze(0))[0, target])


def softmax(scores: list[float]) -> list[float]:
    powers = np.exp(np.array(scores) - max(scores))
    return list((powers / powers.sum()).tolist())


def paper(module: nn.Module, layer: str, image: Tensor, target: int, masks: int | None = None) -> Tensor:
    """Score-CAM before its ReLU, one channel after the other: [1, h, w]."""
    activation = activation_of(module, layer, image)
    channels = list(range(len(activation)))
    if masks is not None:
        channels.sort(key=lambda k: -float(activation[k].max()))
        channels = channels[:masks]
    # The baseline's score, which the paper takes off each, falls out of the softmax.
    weights = softmax([seen_through(module, image, activation[k], target) for k in channels])
    total = torch.zeros(activation.shape[1:], dtype=torch.float64)
    for weight, k in zip(weights, channels, strict=True):
        total += weight * activation[k].double()
    return total.unsqueeze(0)


@pytest.mark.parametrize(("network", "layer"), FEW_CHANNELS.items())
def test_it_is_the_papers_map(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned(network, load, inputs)
    expected = paper(module, layer, images[0], TARGETS[0]).unsqueeze(0)
    found = attribute(module, images[:1], TARGETS[0], "score_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, expected)
    found = attribute(module, images[:1], TARGETS[0], "score_cam", layer=layer)
    if (expected > 0).any():
        assert_same_but_rounding(found, expected.clamp(min=0))


@pytest.mark.parametrize("network", NETWORKS)
def test_with_few_masks_it_is_the_papers_map_of_the_strongest_channels_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs
) -> None:
    # With random weights the scores of ResNet-101 are in the thousands: of their softmax float32 keeps little.
    module, images = (precise if network == "resnet101" else scanned)(network, load, inputs)
    layer = SUGGESTED[network]
    pairs = zip(images, TARGETS, strict=True)
    expected = torch.stack([paper(module, layer, image, target, MASKS) for image, target in pairs])
    found = attribute(module, images, TARGETS, "score_cam", masks=MASKS, relu=False)
    assert_same_but_rounding(found, expected)


def test_the_weights_matter_in_these_proofs(load: Load, inputs: Inputs) -> None:
    """If the scores were nearly equal, any weights would pass."""
    module, images = precise("efficientnet_lite0", load, inputs)
    found = attribute(module, images, TARGETS, "score_cam", layer="blocks.0", relu=False)
    equal = torch.stack([activation_of(module, "blocks.0", image).mean(dim=0, keepdim=True) for image in images])
    assert differs(found, equal)


@pytest.mark.parametrize("network", ["alexnet", "efficientnet_lite0"])
def test_float32_is_as_good_but_for_rounding(network: str, load: Load, inputs: Inputs) -> None:
    exact = attribute(*precise(network, load, inputs), TARGETS, "score_cam", masks=MASKS, relu=False)
    module, images = scanned(network, load, inputs)
    found = attribute(module, images, TARGETS, "score_cam", masks=MASKS, relu=False)
    assert found.dtype == torch.float32
    assert_same_but_rounding(found, exact)


@pytest.mark.parametrize(
    ("network", "layer"), [("googlenet", "inception3a.branch4.1"), ("efficientnet_lite0", "blocks.0")]
)
def test_batched_and_alone_give_the_same(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    together = attribute(module, images, TARGETS, "score_cam", layer=layer, relu=False)
    alone = [attribute(module, images[i : i + 1], TARGETS[i], "score_cam", layer=layer, relu=False) for i in range(2)]
    assert_same_but_rounding(torch.cat(alone), together)


def test_as_many_masks_as_channels_or_more_are_all(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    every = attribute(module, images, TARGETS, "score_cam", layer="blocks.0", relu=False)
    for masks in (16, 17, 100_000):
        found = attribute(module, images, TARGETS, "score_cam", layer="blocks.0", relu=False, masks=masks)
        assert torch.equal(found, every)
    fewer = attribute(module, images, TARGETS, "score_cam", layer="blocks.0", relu=False, masks=15)
    assert differs(fewer, every)


def test_without_a_target_the_top_class_of_each_image_is_explained(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    with torch.no_grad():
        top = module(images).argmax(dim=1).tolist()
    assert len(set(top)) == 2
    found = attribute_fully(module, images, None, "score_cam", layer="blocks.0")
    assert found.targets.each == tuple(ClassTarget((index,)) for index in top)
    assert torch.equal(found.values, attribute(module, images, top, "score_cam", layer="blocks.0"))


def test_a_unit_is_explained_like_a_score(load: Load, inputs: Inputs) -> None:
    module, images = precise("efficientnet_lite0", load, inputs)
    (image, _), layer, channel = images, "blocks.0", 3
    activation = activation_of(module, layer, image)
    seen = []
    for k in range(len(activation)):
        mask = F.interpolate(activation[k][None, None], image.shape[1:], mode="bilinear")[0]
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        seen.append(float(activation_of(module, "blocks.5", image * mask)[channel].mean()))
    expected = sum(weight * one for weight, one in zip(softmax(seen), activation, strict=True))
    assert isinstance(expected, Tensor)
    target = UnitTarget("blocks.5", channel)
    found = attribute(module, images[:1], target, "score_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, expected[None, None])


def test_a_constant_channel_hides_everything() -> None:
    class Constant(nn.Module):
        """Channels 0 and 2 are the same everywhere."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 3, 1)
            with torch.no_grad():
                self.layer.weight.zero_()
                self.layer.weight[1, 0] = 1
                self.layer.bias = nn.Parameter(torch.tensor([2.0, 0.0, 0.0]))

        def forward(self, images: Tensor) -> Tensor:
            self.layer(images)
            return images.flatten(1).sum(dim=1, keepdim=True)

    images = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    found = attribute(Constant().eval(), images, 0, "score_cam", layer="layer", relu=False)
    red = images[0, 0]
    score = float((images * (red - red.min()) / (red.max() - red.min())).sum())
    hidden, seen, _ = softmax([0.0, score, 0.0])
    assert_same_but_rounding(found, (hidden * 2 + seen * red)[None, None])


def test_a_picture_of_one_colour_has_a_finite_answer(load: Load, inputs: Inputs) -> None:
    module, images = scanned("resnet18", load, inputs)
    for value in (0.0, 1.0):
        flat = torch.full_like(images[:1], value)
        assert attribute(module, flat, 3, "score_cam", layer="layer1", masks=4).isfinite().all()


def peer_map(weights: Tensor, activation: Tensor) -> Tensor:
    return (weights.double().view(-1, 1, 1) * activation.double()).sum(dim=0).clamp(min=0)


def test_torchcam_scales_a_channel_before_it_is_upsampled(load: Load, inputs: Inputs) -> None:
    """The paper's s(Up(A)) reaches 0 and 1; torchcam's Up(s(A)) need not, as between the places no extreme is met.

    But for that, torchcam's map is the paper's.
    """
    (module, images), layer = precise("efficientnet_lite0", load, inputs), "blocks.0"
    with TorchcamScoreCAM(module, layer) as extractor:
        with torch.no_grad():
            scores = module(images)
        (theirs,) = extractor(class_idx=TARGETS, scores=scores, normalized=False)
    as_they_do = []
    for image, target in zip(images, TARGETS, strict=True):
        activation = activation_of(module, layer, image)
        seen = []
        for channel in activation:
            mask = (channel - channel.min()) / (channel.max() - channel.min() + 1e-8)
            mask = F.interpolate(mask[None, None], image.shape[1:], mode="bilinear")[0]
            with torch.no_grad():
                seen.append(float(module((image * mask).unsqueeze(0))[0, target]))
        as_they_do.append(peer_map(torch.tensor(softmax(seen)), activation))
    assert_same_but_rounding(theirs, torch.stack(as_they_do))
    found = attribute(module, images, TARGETS, "score_cam", layer=layer)
    assert found.any()
    assert not torch.allclose(found.squeeze(1), theirs.double(), rtol=1e-3)


@pytest.mark.parametrize(("network", "layer"), [("resnet18", "layer1"), ("efficientnet_lite0", "blocks.0")])
def test_where_no_upsampling_is_needed_it_is_torchcams(network: str, layer: str, load: Load, inputs: Inputs) -> None:
    """A layer as large as the picture: torchcam's one deviation falls away."""
    model, images = precise(network, load, inputs)

    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1, dtype=torch.float64)
            self.network = model

        def forward(self, images: Tensor) -> Tensor:
            self.first(images)
            scores: Tensor = self.network(images)
            return scores

    torch.manual_seed(2)
    module = Large().eval()
    with TorchcamScoreCAM(module, "first") as extractor:
        with torch.no_grad():
            scores = module(images)
        (theirs,) = extractor(class_idx=TARGETS, scores=scores, normalized=False)
    assert_same_but_rounding(attribute(module, images, TARGETS, "score_cam", layer="first"), theirs.unsqueeze(1))


def test_pytorch_grad_cam_aligns_corners(load: Load, inputs: Inputs) -> None:
    """It upsamples with align_corners=True, in float32 adds 1e-8 to the range, and gives the map scaled to 0..1 at the
    picture's size. But for that, its map is the paper's."""
    module, images = scanned("efficientnet_lite0", load, inputs)
    layer = "blocks.0"
    targets = [ClassifierOutputTarget(target) for target in TARGETS]
    with PytorchGradCamScoreCAM(module, [module.get_submodule(layer)]) as extractor:
        theirs = torch.from_numpy(extractor(images, targets))
    as_they_do, ours = [], []
    for image, target in zip(images, TARGETS, strict=True):
        activation = activation_of(module, layer, image)
        seen = []
        for channel in activation:
            mask = F.interpolate(channel[None, None], image.shape[1:], mode="bilinear", align_corners=True)[0]
            mask = (mask - mask.min()) / (mask.max() - mask.min() + 1e-8)
            with torch.no_grad():
                seen.append(float(module((image * mask).unsqueeze(0))[0, target]))
        as_they_do.append(as_pytorch_grad_cam_shows(peer_map(torch.tensor(softmax(seen)), activation), image))
        ours.append(as_pytorch_grad_cam_shows(paper(module, layer, image, target)[0].clamp(min=0), image))
    assert torch.allclose(theirs, torch.stack(as_they_do), atol=1e-4, rtol=0)
    assert not torch.allclose(theirs, torch.stack(ours), atol=1e-3, rtol=0)


def as_pytorch_grad_cam_shows(cam: Tensor, image: Tensor) -> Tensor:
    """Scaled to 0..1, resized, and scaled again."""
    scaled = (cam - cam.min()) / (1e-7 + (cam - cam.min()).max())
    resized = torch.from_numpy(cv2.resize(scaled.float().numpy(), (image.shape[2], image.shape[1])))
    resized = resized - resized.min()
    return resized / (1e-7 + resized.max())
