"""Ablation-CAM weights the channels of a layer by what the score loses without each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain

import numpy as np
import pytest
import torch
from pytorch_grad_cam import AblationCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision.models import DenseNet, SwinTransformer, VisionTransformer
from torchvision.models.resnet import Bottleneck, ResNet

from convscope.engine import attribute
from convscope.engine.attribution import inner_batches
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.target import ClassTarget, UnitTarget
from convscope.engine.models.layers import Layer, remembered_layers
from tests.engine.reference import SUGGESTED, TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import activation_of, precise, scanned

# Layers with few channels, without each of which the reference can run.
FEW_CHANNELS = {
    "alexnet": "features.2",
    "vgg16": "features.4",
    "resnet18": "layer1.0.bn1",  # a ReLU in place follows
    "resnet101": "layer1.0.conv1",
    "densenet121": "features.denseblock1.denselayer2.conv2",  # is concatenated
    "googlenet": "inception3a.branch4.1",  # is concatenated
    "efficientnet_lite0": "blocks.0",
    "vit_b_16": "encoder.ln",  # of which the head reads the class token only
}
# Of these nearly all stands behind the layer or before it: more copies at once cost little memory, and fewer passes.
AT_ONCE = ("vgg16", "resnet101", "vit_b_16")
# A layer with many channels, and the rest of the network behind it.
TAILS = {
    "resnet18": lambda module, output: module.fc(output.mean(dim=(2, 3))),
    "densenet121": lambda module, output: module.classifier(output.relu().mean(dim=(2, 3))),
}


@contextmanager
def without(module: nn.Module, layer: str, channels: Sequence[int]) -> Iterator[None]:
    """In a stack of copies of one picture, each lacks one channel: the last dimension of tokens, else the first."""

    def ablate(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        ablated = output.clone()
        for copy, channel in zip(ablated, channels, strict=True):
            copy[(..., channel) if output.ndim == 3 else channel] = 0
        return ablated

    handle = module.get_submodule(layer).register_forward_hook(ablate)
    try:
        yield
    finally:
        handle.remove()


def score(module: nn.Module, image: Tensor, target: int) -> float:
    with torch.no_grad():
        return float(module(image.unsqueeze(0))[0, target])


def weights(module: nn.Module, layer: str, image: Tensor, target: int) -> list[float]:
    """(S - S_k) / |S|, by whole passes of 64 copies."""
    whole = score(module, image, target)
    found = []
    channels = len(activation_of(module, layer, image))
    for first in range(0, channels, 64):
        stack = range(first, min(first + 64, channels))
        with without(module, layer, stack), torch.no_grad():
            scores = module(image.expand(len(stack), -1, -1, -1))[:, target]
        found += [(whole - float(one)) / abs(whole) for one in scores]
    return found


def weighted_sum(weights: list[float], activation: Tensor) -> Tensor:
    """[1, h, w]"""
    total = torch.zeros(1, *activation.shape[1:], dtype=torch.float64)
    for weight, channel in zip(weights, activation.double(), strict=True):
        total += weight * channel
    return total


def paper(module: nn.Module, layer: str, image: Tensor, target: int) -> Tensor:
    """Equations 5 and 6 before the ReLU, but for the sign of S: [1, h, w]."""
    return weighted_sum(weights(module, layer, image, target), activation_of(module, layer, image))


@pytest.mark.parametrize(("network", "layer"), FEW_CHANNELS.items())
def test_it_is_the_papers_map(
    network: str, layer: str, load: Load, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, images = precise(network, load, inputs)
    image = images[0]
    if network in AT_ONCE:
        monkeypatch.setitem(inner_batches.MOST, "cpu", 768)
    found = attribute(module, image.unsqueeze(0), 281, "ablation_cam", layer=layer, relu=False)
    if network == "vit_b_16":
        head = module.get_submodule("heads")
        tokens = outputs_of(module, layer, image)
        whole = float(head(tokens[0])[281])
        each = [(whole - float(head(drop(tokens[0], k))[281])) / abs(whole) for k in range(tokens.shape[1])]
        expected = weighted_sum(each, activation_of(module, layer, image))
    else:
        expected = paper(module, layer, image, 281)
    assert_same_but_rounding(found, expected.unsqueeze(0))


def outputs_of(module: nn.Module, layer: str, image: Tensor) -> Tensor:
    """Everything that a layer gives for one image."""
    outputs: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    score(module, image, 0)
    handle.remove()
    return outputs[-1][0]


def drop(tensor: Tensor, channel: int) -> Tensor:
    """Without a channel, which comes first."""
    rest = tensor.clone()
    rest[channel] = 0
    return rest


@pytest.mark.parametrize("network", TAILS)
def test_at_the_suggested_layer_it_is_the_papers_map_for_every_image_of_a_batch(
    network: str, load: Load, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, images = precise(network, load, inputs)
    monkeypatch.setitem(inner_batches.MOST, "cpu", 1024)  # nearly all of the network stands before the layer
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        output = activation_of(module, SUGGESTED[network], image)
        with torch.no_grad():
            whole = float(TAILS[network](module, output[None])[0, target])
            each = [float(TAILS[network](module, drop(output, k)[None])[0, target]) for k in range(len(output))]
        assert abs(whole - score(module, image, target)) < 1e-9 * max(1, abs(whole))
        expected.append(weighted_sum([(whole - one) / abs(whole) for one in each], output))
    found = attribute(module, images, TARGETS, "ablation_cam", relu=False)
    assert_same_but_rounding(found, torch.stack(expected))
    assert torch.allclose(attribute(module, images, TARGETS, "ablation_cam"), found.clamp(min=0), atol=1e-12)


class Twice(nn.Module):
    """Runs one layer twice, and calls itself by the number of pictures that came in."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.shortcut = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4 * 64, 5)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images).relu()
        values = self.again(self.again(stem).relu())
        values += self.shortcut(stem)  # does not broadcast: it is in place
        scores: Tensor = self.head(nn.functional.adaptive_avg_pool2d(values, 8).view(len(images), -1))
        return scores


TINY: dict[str, Callable[[], nn.Module]] = {
    "dense": partial(DenseNet, growth_rate=3, block_config=(2, 2), num_init_features=6, num_classes=5),
    "residual": partial(ResNet, Bottleneck, [1, 1, 1, 1], num_classes=5, width_per_group=4),
    "swin": partial(SwinTransformer, [4, 4], 6, [2, 2], [2, 2], [2, 2], stochastic_depth_prob=0.0, num_classes=5),
    "vit": partial(VisionTransformer, 32, 8, 2, 2, 8, 16, num_classes=5),
    "twice": Twice,
}


@pytest.mark.parametrize("kind", TINY)
def test_from_every_layer_the_short_way_gives_what_whole_passes_give(kind: str) -> None:
    """Only what follows a layer runs with a stack of copies: residuals, concatenations and attention meet them."""
    torch.manual_seed(4)
    module = TINY[kind]().double().eval()
    if kind == "vit":
        nn.init.normal_(module.get_submodule("heads.head").get_parameter("weight"))
    image = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    proved = 0
    for layer in remembered_layers(module, image.unsqueeze(0)).layers:
        if not layer.spatial or (layer.output_shape[0] > 40 and layer.layout == "channels_first"):
            continue
        expected = by_whole_passes(module, layer, image, 2)
        if expected.any():
            found = attribute(module, image.unsqueeze(0), 2, "ablation_cam", layer=layer.name, relu=False)
            assert_same_but_rounding(found, expected.unsqueeze(0))
            proved += 1
    assert proved >= 3


def by_whole_passes(module: nn.Module, layer: Layer, image: Tensor, target: int) -> Tensor:
    """Ablation-CAM in the last run of a layer of any layout, one channel after the other: [1, h, w]."""
    dim = {"channels_first": 1, "channels_last": 3, "tokens": 2}[layer.layout]
    whole = score(module, image, target)
    kept: list[Tensor] = []
    each = []
    for channel in range(layer.output_shape[dim - 1]):
        runs: list[int] = []

        def ablate(
            _: nn.Module, __: tuple[Tensor, ...], output: Tensor, channel: int = channel, runs: list[int] = runs
        ) -> Tensor:
            runs.append(1)
            if len(runs) < layer.calls:
                return output
            kept.append(output[0].clone())
            ablated = output.clone()
            ablated.select(dim, channel).zero_()
            return ablated

        handle = module.get_submodule(layer.name).register_forward_hook(ablate)
        each.append((whole - score(module, image, target)) / abs(whole))
        handle.remove()
    output = kept[0]
    if layer.layout == "channels_last":
        output = output.permute(2, 0, 1)
    if layer.layout == "tokens":
        output = output[-16:].reshape(4, 4, -1).permute(2, 0, 1)
    return weighted_sum(each, output)


def test_what_the_copies_cannot_join_runs_in_full_and_the_rest_does_not() -> None:
    torch.manual_seed(4)
    seen: dict[str, list[int]] = {"features.conv0": [], "classifier": []}
    module = TINY["dense"]().eval()
    images = torch.randn(1, 3, 32, 32)
    for layer in ("features.denseblock1.denselayer1", "features.denseblock1"):
        remembered_layers(module, images)
        for sizes in seen.values():
            sizes.clear()
        handles = [
            module.get_submodule(name).register_forward_pre_hook(
                lambda _, args, name=name: seen[name].append(len(args[0]))
            )
            for name in ("features.conv0", "classifier")
        ]
        channels = attribute_channels(module, layer, images)
        for handle in handles:
            handle.remove()
        passes = [min(8, channels - first) for first in range(0, channels, 8)]
        assert seen["classifier"] == [1, *passes]
        # denselayer1 is concatenated with what came before it: that has to be as many.
        joined = [[1, size] if layer.endswith("denselayer1") else [1] for size in passes]
        assert seen["features.conv0"] == [1, *chain.from_iterable(joined)]


def attribute_channels(module: nn.Module, layer: str, images: Tensor) -> int:
    """Run ablation_cam; how many channels the layer has."""
    attribute(module, images, 1, "ablation_cam", layer=layer)
    return remembered_layers(module, images).layer(layer).output_shape[0]


@pytest.mark.parametrize("network", ["googlenet", "efficientnet_lite0"])
def test_batched_and_alone_give_the_same(network: str, load: Load, inputs: Inputs) -> None:
    module, images = precise(network, load, inputs)
    layer = FEW_CHANNELS[network]
    together = attribute(module, images, TARGETS, "ablation_cam", layer=layer, relu=False)
    alone = [
        attribute(module, images[row : row + 1], TARGETS[row], "ablation_cam", layer=layer, relu=False)
        for row in range(2)
    ]
    assert_same_but_rounding(torch.cat(alone), together)


@pytest.mark.parametrize("network", ["googlenet", "efficientnet_lite0"])
def test_float32_is_as_good_but_for_what_a_score_loses_in_rounding(network: str, load: Load, inputs: Inputs) -> None:
    """Score and score without a channel are rounded each: a weight is off by some millionths, however small it is."""
    layer = FEW_CHANNELS[network]
    exact_module, exact_images = precise(network, load, inputs)
    exact = attribute(exact_module, exact_images, TARGETS, "ablation_cam", layer=layer, relu=False)
    module, images = scanned(network, load, inputs)
    found = attribute(module, images, TARGETS, "ablation_cam", layer=layer, relu=False)
    assert found.dtype == torch.float32
    activations = torch.stack([activation_of(exact_module, layer, image) for image in exact_images])
    off = 3e-6 * activations.abs().sum(dim=1, keepdim=True)
    assert ((found - exact).abs() <= off).all()
    assert float(exact.abs().max()) > 3 * float(off.max())


def test_without_a_target_the_top_class_of_each_image_is_explained(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    with torch.no_grad():
        top = module(images).argmax(dim=1).tolist()
    assert len(set(top)) == 2
    found = attribute_fully(module, images, None, "ablation_cam", layer="blocks.0")
    assert found.targets.each == tuple(ClassTarget((index,)) for index in top)
    assert torch.equal(found.values, attribute(module, images, top, "ablation_cam", layer="blocks.0"))


def test_a_unit_is_explained_like_a_score(load: Load, inputs: Inputs) -> None:
    module, images = precise("efficientnet_lite0", load, inputs)
    image, layer = images[0], "blocks.0"
    whole = float(activation_of(module, "blocks.5", image)[7].mean())
    each = []
    for channel in range(16):
        with without(module, layer, [channel]):
            each.append((whole - float(activation_of(module, "blocks.5", image)[7].mean())) / abs(whole))
    expected = weighted_sum(each, activation_of(module, layer, image))
    target = UnitTarget("blocks.5", 7)
    found = attribute(module, images[:1], target, "ablation_cam", layer=layer, relu=False)
    assert_same_but_rounding(found, expected.unsqueeze(0))


def test_a_unit_of_the_layer_itself_hangs_on_its_own_channel(load: Load, inputs: Inputs) -> None:
    module, images = precise("efficientnet_lite0", load, inputs)
    activation = activation_of(module, "blocks.0", images[0])
    found = attribute(module, images[:1], UnitTarget("blocks.0", 3), "ablation_cam", layer="blocks.0", relu=False)
    sign = float(activation[3].mean().sign())
    assert_same_but_rounding(found, sign * activation[3][None, None])


class Balanced(nn.Module):
    """Red minus green."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        colors: Tensor = self.layer(images)
        red, green, _ = colors.mean(dim=(2, 3)).unbind(1)
        return (red - green).unsqueeze(1)


def test_of_a_score_of_zero_the_losses_themselves_are_the_weights() -> None:
    red = torch.arange(16.0).view(4, 4)  # sums of whole numbers are exact
    images = torch.stack((red, red.flip(1), red.T)).unsqueeze(0)
    found = attribute_fully(Balanced(), images, 0, "ablation_cam", layer="layer", relu=False)
    assert found.explained.tolist() == [0]
    assert torch.equal(found.values[0, 0], 7.5 * red - 7.5 * red.flip(1))


def test_a_picture_of_one_colour_has_a_finite_answer(load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    for value in (0.0, 1.0):
        flat = torch.full_like(images[:1], value)
        assert attribute(module, flat, 3, "ablation_cam", layer="blocks.0").isfinite().all()


def peers_weights(module: nn.Module, layer: str, images: Tensor, targets: list[int]) -> Tensor:
    """(S - S_k) / S by pytorch-grad-cam, [N, channels]."""
    part = module.get_submodule(layer)
    asked = [ClassifierOutputTarget(target) for target in targets]
    activations = torch.stack([activation_of(module, layer, image) for image in images])
    with AblationCAM(module, [part]) as extractor:
        found = extractor.get_cam_weights(images, part, asked, activations.numpy(), np.zeros(0))
    return torch.from_numpy(found)


def test_pytorch_grad_cam_divides_by_the_signed_score(load: Load, inputs: Inputs) -> None:
    """Behind a ReLU, where it takes channels out by 0 as the paper does, its weights are the paper's but for their
    sign where the score is negative: what speaks against the class would then be shown as evidence for it."""
    module, images = scanned("resnet18", load, inputs)
    layer = "layer4"
    with torch.no_grad():
        scores = module(images)
    # One class with a positive score in the first picture, and one with a negative score in the second.
    targets = [int(scores[0].argmax()), int(scores[1].argmin())]
    assert scores[0, targets[0]] > 0 > scores[1, targets[1]]
    theirs = peers_weights(module, layer, images, targets)
    found = attribute(module, images, targets, "ablation_cam", relu=False)
    for row, sign in ((0, 1), (1, -1)):
        activation = activation_of(module, layer, images[row])
        as_they_do = weighted_sum(theirs[row].tolist(), activation)
        # They compute in float32; see above.
        assert float((sign * as_they_do - found[row]).norm() / as_they_do.norm()) < 1e-3
    activation = activation_of(module, layer, images[1])
    assert differs(found[1], weighted_sum(theirs[1].tolist(), activation))


def test_pytorch_grad_cam_takes_channels_out_by_minus_ten_million_where_values_may_be_negative(
    load: Load, inputs: Inputs
) -> None:
    """The paper sets them to zero, and so does this."""
    module, images = scanned("efficientnet_lite0", load, inputs)
    layer = "blocks.0"
    assert activation_of(module, layer, images[0]).min() < 0
    theirs = peers_weights(module, layer, images[:1], TARGETS[:1])
    ours = torch.tensor(weights(module, layer, images[0], TARGETS[0]))
    assert not torch.allclose(theirs[0].double(), ours.double(), rtol=0.5)
