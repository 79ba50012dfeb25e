"""The scores of patched copies are those of full passes, from less arithmetic."""

import copy
import operator
from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.engine.incremental import IncrementalForward
from convscope.engine.models.model import Model
from tests.engine.rounding import RELATIVE, assert_same_but_rounding

# Every network with the side of its pictures: as small as lets it work in parts for some layers.
NETWORKS = {
    "alexnet": 224,
    "vgg16": 64,
    "resnet18": 160,
    "resnet50": 128,
    "resnet101": 96,
    "densenet121": 128,
    "googlenet": 160,
    "inception_v3": 139,
    "squeezenet1_1": 160,
    "mobilenet_v2": 160,
    "mobilenet_v3_small": 160,
    "efficientnet_b0": 128,
    "convnext_tiny": 96,
    "regnet_y_400mf": 128,
    "shufflenet_v2_x1_0": 128,
    "vit_b_32": 96,
    "swin_t": 96,
}

# These run on whole maps from their first layers on.
WHOLE = ("convnext_tiny", "vit_b_32", "swin_t")

# Random weights make some networks so touchy (EfficientNet) that in float32 a picture alone and the same one in a batch
# differ by 5e-4. In float64 what is right agrees to 1e-11, and a pixel at a border that is wrong shows.
RELATIVE_64 = 1e-10

Load = Callable[[str], Model]
Inputs = Callable[[Model], Tensor]


def prepared(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def lively(module: nn.Module) -> nn.Module:
    """Random weights and fitting batch norms, with which the scores depend on every part of the picture."""
    torch.manual_seed(5)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=part.in_features**-0.5)
    for norm in norms:
        nn.init.normal_(norm.bias, std=0.1)
        norm.momentum = None  # the mean of all it has seen
    if norms:
        with torch.no_grad():
            module.train()(torch.cat([picture(96, 96), picture(96, 96).flip(3)]))
    return prepared(module)


def torchvision_network(name: str) -> nn.Module:
    options: dict[str, object] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": False}
    if name == "vit_b_32":
        options = {"image_size": NETWORKS[name]}
    return torchvision.models.get_model(name, **options)  # type: ignore[no-any-return]


def picture(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(1, 3, max(height // 16, 1), max(width // 16, 1), generator=generator)
    fine = torch.randn(1, 3, height, width, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bilinear") + 0.2 * fine


def places(image: Tensor, height: int, width: int) -> tuple[Tensor, list[int], list[int]]:
    """Patches for the four corners, two borders, two places inside: with their rows and columns."""
    below, beside = image.shape[2] - height, image.shape[3] - width
    tops = [0, 0, below, below, 0, below // 2, below // 3, (2 * below) // 3]
    lefts = [0, beside, 0, beside, beside // 2, beside, beside // 3, beside // 5]
    patches = 2 * torch.randn(len(tops), 3, height, width, generator=torch.Generator().manual_seed(4))
    return patches.to(image.dtype), tops, lefts


def in_full(module: nn.Module, image: Tensor, patches: Tensor, tops: list[int], lefts: list[int]) -> Tensor:
    copies = image.repeat(len(patches), 1, 1, 1)
    for number, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        copies[number, :, top : top + patches.shape[2], left : left + patches.shape[3]] = patches[number]
    with torch.no_grad():
        return module(copies.contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]


def assert_exact(forward: IncrementalForward, module: nn.Module, image: Tensor, height: int, width: int) -> None:
    patches, tops, lefts = places(image, height, width)
    expected = in_full(module, image, patches, tops, lefts)
    found = forward.patched(patches, tops, lefts)
    assert_same_but_rounding(found, expected)
    if image.dtype == torch.float64:
        assert (found - expected).abs().max() <= RELATIVE_64 * expected.abs().max()
    if height * width > 100:
        effect = (expected - forward.scores).abs().amax(dim=1) / expected.abs().max()
        assert effect.min() > 50 * RELATIVE, "patches without effect prove nothing"


class Arithmetic(TorchDispatchMode):
    """Counts the multiply-adds of convolutions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):  # type: ignore[no-untyped-def]
        output = function(*arguments, **(options or {}))
        if function is torch.ops.aten.convolution.default:
            self.total += output.numel() * arguments[1][0].numel()
        return output


@pytest.mark.parametrize(("name", "side"), NETWORKS.items())
def test_a_network_of_torchvision(name: str, side: int) -> None:
    kind = torch.float32 if name in WHOLE else torch.float64
    module = lively(torchvision_network(name)).to(kind)
    image = picture(side, side).to(kind)
    forward = IncrementalForward(module, image)
    assert forward.incremental
    assert_same_but_rounding(forward.scores, module(image))
    for height, width in ((32, 32), (17, 1)):
        assert_exact(forward, module, image, height, width)


def test_a_published_network_on_photographs(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    for image in inputs(model)[:2].chunk(2):
        forward = IncrementalForward(model.module, image)
        assert forward.incremental
        for height, width in ((32, 32), (21, 64), (1, 1)):
            assert_exact(forward, model.module, image, height, width)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_a_network_with_its_norms_folded(name: str) -> None:
    module = lively(torchvision_network(name))
    folded = copy.deepcopy(module)
    last: tuple[str, nn.Module] = ("", module)
    for path, part in list(folded.named_modules()):
        if isinstance(part, nn.BatchNorm2d):
            assert isinstance(last[1], nn.Conv2d)
            folded.set_submodule(last[0], nn.utils.fusion.fuse_conv_bn_eval(last[1], part))
            folded.set_submodule(path, nn.Identity())
        if isinstance(part, nn.Conv2d):
            last = (path, part)
    image = picture(160, 160)
    forward = IncrementalForward(prepared(folded), image)
    assert forward.incremental
    assert_exact(forward, module, image, 32, 32)


@pytest.mark.parametrize("size", [(224, 224), (224, 16), (3, 224), (200, 190)])
def test_patches_up_to_the_size_of_the_picture(size: tuple[int, int]) -> None:
    module = lively(torchvision_network("squeezenet1_1"))
    image = picture(224, 224)
    assert_exact(IncrementalForward(module, image), module, image, *size)


def test_less_is_computed() -> None:
    module = lively(torchvision_network("vgg16"))
    image = picture(224, 224)
    forward = IncrementalForward(module, image)
    with Arithmetic() as full, torch.no_grad():
        module(image)
    with Arithmetic() as partial:
        forward.patched(*places(image, 32, 32))
    assert partial.total < 0.15 * 8 * full.total


def test_copies_that_are_cut_off_alike_are_computed_together() -> None:
    module = lively(torchvision_network("resnet18"))
    image = picture(224, 224)
    forward = IncrementalForward(module, image)
    tops, lefts = map(list, zip(*product(range(0, 193, 32), repeat=2), strict=True))
    patches = torch.zeros(len(tops), 3, 32, 32)
    with Arithmetic() as together:
        found = forward.patched(patches, tops, lefts)
    with Arithmetic() as alone:
        one_by_one = [forward.patched(patches[k : k + 1], tops[k : k + 1], lefts[k : k + 1]) for k in range(len(tops))]
    assert_same_but_rounding(found, torch.cat(one_by_one))
    assert together.total < 1.15 * alone.total


class Sum(nn.Module):
    """Branches added in place, the way residual networks do."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, images: Tensor) -> Tensor:
        total = self.branches[0](images)
        for branch in self.branches[1:]:
            total = total.add_(branch(images))  # `total += ...` is no longer in place when fx traces it
        return total  # type: ignore[no-any-return]


class Function(nn.Module):
    """A function of a part of a network."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images, *(part(images) for part in self.parts))


def convolution(outputs: int, kernel: int | tuple[int, int] = 3, inputs: int = 8, **settings: object) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, **settings)  # type: ignore[arg-type]


def gate() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), convolution(8, 1), nn.Sigmoid())


TOYS: dict[str, Callable[[], list[nn.Module]]] = {
    "asymmetric": lambda: [
        convolution(8, (1, 5), stride=(2, 1), padding=(0, 2)),
        convolution(8, (7, 2), stride=(1, 3)),
    ],
    "dilated": lambda: [convolution(8, 3, padding=(4, 2), dilation=(4, 2)), convolution(8, 3, dilation=3, stride=2)],
    "same": lambda: [convolution(8, (4, 3), padding="same", dilation=(1, 2)), convolution(8, 3, padding="valid")],
    "depthwise": lambda: [convolution(8, 5, groups=8, padding=2), convolution(16, 3, groups=4, stride=2, padding=1)],
    "other padding": lambda: [convolution(8, 3, padding=1, padding_mode="reflect"), convolution(8)],
    "a stride over pixels": lambda: [convolution(8, 1, stride=3), convolution(8, 2, stride=4), convolution(8)],
    "transposed": lambda: [convolution(8), nn.ConvTranspose2d(8, 8, 3, stride=2), convolution(8)],
    "max pool": lambda: [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((2, 3), (1, 2), (1, 0), (2, 1)), convolution(8)],
    "max pool, ceil": lambda: [nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True), convolution(8)],
    "mean pool": lambda: [nn.AvgPool2d(3, 2, 1), nn.AvgPool2d((2, 3), 1, (1, 1)), convolution(8)],
    "mean pool, ceil": lambda: [
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(4, 3, 2, ceil_mode=True, count_include_pad=False),
        convolution(8),
    ],
    "mean pool, without padding": lambda: [nn.AvgPool2d(5, 1, 2, count_include_pad=False), convolution(8)],
    "mean pool, divisor": lambda: [nn.AvgPool2d(3, 2, 1, divisor_override=2), convolution(8)],
    "padding": lambda: [
        nn.ZeroPad2d((0, 1, 2, 0)),
        convolution(8, 3, stride=2),
        nn.ConstantPad2d(3, 0.5),
        convolution(8),
    ],
    "negative padding": lambda: [nn.ZeroPad2d(-1), convolution(8)],
    "functions": lambda: [
        Function(lambda x: F.max_pool2d(x, 3, stride=2, padding=1)),
        Function(lambda x: F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)),
        Function(lambda x: F.pad(F.relu(x, True), (1, 0, 0, 2), value=0.3).clamp(max=2.0)),
        convolution(8),
    ],
    "shape": lambda: [Function(lambda x: F.pad(x, [x.shape[-1] % 2, 0, 0, x.size(2) % 3])), convolution(8)],
    "residual": lambda: [Sum(convolution(8, 1), convolution(8, 5, padding=2), nn.Identity()), nn.ReLU(inplace=True)],
    "branches": lambda: [
        Function(
            lambda x, *branches: torch.cat([x, *branches], dim=1),
            convolution(8, 3, padding=1),
            convolution(8, (7, 1), padding=(3, 0)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(8, (1, 7), padding=(0, 3))),
        ),
        convolution(8, inputs=32),
    ],
    "gate": lambda: [Function(operator.mul, gate()), convolution(8)],
    "gate, in place": lambda: [convolution(8), Function(lambda x, scale: x.mul_(scale), gate()), convolution(8)],
    "constants": lambda: [
        Function(lambda x: (x - torch.arange(8).view(1, 8, 1, 1)) / 2 + torch.linspace(0, 1, 67).double()),
        convolution(8),
    ],
    "unknown": lambda: [
        convolution(8),
        nn.InstanceNorm2d(8),
        convolution(8),
        nn.PixelShuffle(2),
        convolution(8, inputs=2),
    ],
    "channels apart": lambda: [
        Function(lambda x: torch.cat([torch.unsqueeze(x[:, k], 1) * (k + 1) - 0.5 for k in range(8)], 1)),
        convolution(8),
    ],
    "one input twice": lambda: [
        Function(lambda x: x * x + x),
        convolution(8, padding=1),
        nn.PReLU(8),
        nn.BatchNorm2d(8),
    ],
    "in place, and looked at later": lambda: [
        convolution(8),
        Function(lambda x: F.relu(x, inplace=True) + x),
        convolution(8),
    ],
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("toy", TOYS)
def test_every_rule(toy: str) -> None:
    torch.manual_seed(1)
    layers = [convolution(8, inputs=3, padding=1), *TOYS[toy](), nn.AdaptiveAvgPool2d(3), nn.Flatten()]
    module = lively(nn.Sequential(*layers)).double()
    image = picture(61, 67).double()
    forward = IncrementalForward(module, image)
    assert forward.incremental
    for height, width in ((13, 11), (1, 1), (2, 40), (61, 67)):
        assert_exact(forward, module, image, height, width)


def test_what_is_kept_stays_as_it_was_and_so_do_image_and_patches() -> None:
    module = lively(nn.Sequential(nn.ReLU(inplace=True), torchvision_network("resnet18")))
    image = picture(96, 96).contiguous(memory_format=torch.channels_last)
    patches, tops, lefts = places(image, 20, 20)
    before, patches_before = image.clone(), patches.clone()
    forward = IncrementalForward(module, image)
    first = forward.patched(patches, tops, lefts)
    assert torch.equal(forward.patched(patches, tops, lefts), first)
    assert torch.equal(image, before)
    assert torch.equal(patches, patches_before)


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.convolution(images)
        return maps.amax((2, 3)) if float(maps.sum()) > 0 else maps.amin((2, 3))  # type: ignore[no-any-return]


def test_a_network_that_cannot_be_traced_runs_in_full() -> None:
    module = lively(Untraceable())
    image = picture(40, 48)
    forward = IncrementalForward(module, image)
    assert not forward.incremental
    assert_same_but_rounding(forward.scores, module(image))
    assert_exact(forward, module, image, 11, 13)


def test_a_network_whose_graph_gives_other_scores_runs_in_full() -> None:
    module = lively(nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    module.register_forward_hook(lambda _, __, output: 2 * output)  # fx does not see it
    image = picture(40, 48)
    forward = IncrementalForward(module, image)
    assert not forward.incremental
    assert_exact(forward, module, image, 11, 13)


def test_no_patches_have_no_scores() -> None:
    module = lively(torchvision_network("squeezenet1_1"))
    forward = IncrementalForward(module, picture(64, 64))
    assert forward.patched(torch.zeros(0, 3, 8, 8), [], []).shape == (0, 1000)
