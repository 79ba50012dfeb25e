"""The boxes are those in which gradients are not zero: no pixel too few, none too many."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, UnknownName
from convscope.engine.imaging.box import Box, mask_box
from convscope.engine.inspection.receptive_field import receptive_field
from convscope.engine.models.folding import sharing
from convscope.engine.models.layers import Layer, fold_grid, map_layers
from convscope.engine.models.model import Model
from tests.engine.reference import Load

Place = tuple[int, int]
HEIGHT, WIDTH = 30, 23


class Function(nn.Module):
    """A function of a tensor and of what parts make of it."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, given: Tensor) -> Tensor:
        return self.function(given, *(part(given) for part in self.parts))


class Twice(nn.Module):
    """Runs its part twice, the second time on what the first made."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, given: Tensor) -> Tensor:
        return self.part(self.part(given).relu())  # type: ignore[no-any-return]


def model_of(load: Load, module: nn.Module, height: int = HEIGHT, width: int = WIDTH) -> Model:
    """A network as a model for pictures of that size."""
    model = load("resnet18")
    preprocessing = model.preprocessing.model_copy(update={"height": height, "width": width})
    module = module.eval().requires_grad_(False)
    return replace(
        model, module=module, preprocessing=preprocessing, layers=map_layers(module, torch.zeros(1, 3, height, width))
    )


def toy_of(load: Load, *parts: nn.Module) -> Model:
    """A model of parts in a row, with a last layer "end"."""
    module = nn.Sequential(*parts)
    module.add_module("end", nn.Identity())
    return model_of(load, module)


def boxes_of_gradients(module: nn.Module, layer: Layer, images: Tensor, places: list[Place]) -> list[Box | None]:
    """Around the pixels that have a gradient in one of the images."""
    outputs: list[Tensor] = []
    handle = module.get_submodule(layer.name).register_forward_hook(lambda _, __, output: outputs.append(output))
    pixels = images.double().requires_grad_()
    try:
        module.double()(pixels.clone())
    finally:
        handle.remove()
    output = fold_grid(outputs[-1], layer)
    if layer.grid is None:
        output = output.reshape(len(output), -1, 1, 1)
    weights = torch.rand(output.shape[1], dtype=output.dtype, generator=torch.Generator().manual_seed(2)) + 0.5
    values = (output * weights.view(-1, 1, 1)).sum((0, 1))
    found: list[Box | None] = []
    for place in places:
        if not values.requires_grad:
            found.append(None)
            continue
        (gradient,) = torch.autograd.grad(values[place], pixels, retain_graph=True)
        found.append(mask_box(gradient.ne(0).any(1).any(0).numpy()))
    return found


def some_places(layer: Layer) -> list[Place]:
    """Corners, borders, and places inside."""
    height, width = layer.grid or (1, 1)
    rows, columns = ({0, 1 % size, size // 2, size - 1} for size in (height, width))
    return list(product(sorted(rows), sorted(columns)))


def assert_as_gradients_say(model: Model, name: str, images: Tensor, through: nn.Module | None = None) -> None:
    """through: a network of the same build whose gradients are looked at, instead of the model's own."""
    layer = model.layers.layer(name)
    field = receptive_field(model, name)
    assert field.unknown == ""
    places = some_places(layer)
    expected = boxes_of_gradients(through or copy.deepcopy(model.module), layer, images, places)
    found = [field.box(place) for place in places]
    assert found == [box or (0, 0, 0, 0) for box in expected]


def noise(height: int = HEIGHT, width: int = WIDTH, count: int = 60) -> Tensor:
    """So many pictures that each pixel of a window is the largest in one of them, and each ReLU open."""
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def gate() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 3, 1), nn.Sigmoid())


def shuffled(given: Tensor) -> Tensor:
    batch, channels, height, width = given.shape
    return given.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


def local_attention(given: Tensor) -> Tensor:
    """Of each row to itself."""
    rows = given.permute(0, 2, 3, 1)
    weights = torch.softmax(rows @ rows.transpose(-2, -1), dim=-1)
    return (weights @ rows).permute(0, 3, 1, 2)


TOYS: dict[str, Callable[[], list[nn.Module]]] = {
    "strides and padding": lambda: [nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)],
    "asymmetric": lambda: [
        nn.Conv2d(3, 4, (1, 5), stride=(2, 1), padding=(0, 2)),
        nn.Conv2d(4, 4, (5, 2), stride=(1, 3)),
    ],
    "dilated": lambda: [nn.Conv2d(3, 4, 3, padding=(4, 2), dilation=(4, 2)), nn.Conv2d(4, 4, 2, dilation=3, stride=2)],
    "same padding": lambda: [nn.Conv2d(3, 4, (4, 3), padding="same", dilation=(1, 2)), nn.Conv2d(4, 4, 3)],
    "reflected padding": lambda: [
        nn.Conv2d(3, 4, 5, padding=2, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="replicate"),
    ],
    "gaps between windows": lambda: [nn.Conv2d(3, 4, 1, stride=3), nn.Conv2d(4, 4, 2, stride=4)],
    "windows in the padding": lambda: [nn.Conv2d(3, 4, 1, padding=2, bias=False), nn.Conv2d(4, 4, 2, stride=2)],
    "only padding": lambda: [nn.Conv2d(3, 4, 1, padding=2)],
    "grouped": lambda: [
        Function(lambda x, wide: torch.cat([x, wide], 1), nn.Conv2d(3, 3, 5, padding=2)),
        nn.Conv2d(6, 6, 3, padding=1, groups=2),
        Function(lambda x: x[:, :3]),
    ],
    "transposed": lambda: [
        nn.Conv2d(3, 4, 3, stride=2),
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(6, 6, (2, 3), stride=(3, 1), padding=(1, 2), dilation=(1, 2), groups=3),
    ],
    "max pooling": lambda: [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((2, 3), (1, 2), (1, 0), (2, 1))],
    "pooling, rounded up": lambda: [
        nn.MaxPool2d(2, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.MaxPool2d(3, 2, ceil_mode=True),
    ],
    "adaptive pooling": lambda: [nn.AdaptiveAvgPool2d((7, 9)), nn.AdaptiveMaxPool2d((3, None))],
    "padding layers": lambda: [nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(3, 4, 3), nn.ZeroPad2d((-1, 0, 0, -2))],
    "functions": lambda: [
        Function(lambda x: F.pad(F.max_pool2d(F.relu(x, True), 3, stride=2, padding=1), (1, 0, 0, 2), value=0.3)),
        Function(lambda x: F.avg_pool2d(x.clamp(max=2.0).add_(1).mul(0.5), kernel_size=3, stride=1, padding=1)),
    ],
    "activations": lambda: [
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Hardswish(), nn.SiLU(True), nn.GELU(), nn.PReLU(4), nn.Hardtanh(-9),
        nn.LeakyReLU(), nn.ELU(), nn.ReLU6(inplace=True), nn.Softplus(), nn.Mish(), nn.Dropout(), nn.Sigmoid(),
        nn.Hardsigmoid(), nn.Tanh(), nn.Softmax(dim=1), nn.LocalResponseNorm(2),
    ],
    "residual": lambda: [Function(lambda x, *parts: sum(parts, x).relu_(), nn.Conv2d(3, 3, 5, padding=2), nn.ReLU())],
    "branches": lambda: [
        Function(
            lambda x, *branches: torch.cat([x, *branches], dim=1),
            nn.Conv2d(3, 2, 3, padding=1),
            nn.Conv2d(3, 2, (7, 1), padding=(3, 0)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(3, 2, (1, 5), padding=(0, 2))),
        ),
        nn.Conv2d(9, 4, 2),
    ],
    "shuffled channels": lambda: [
        Function(lambda x, wide: shuffled(torch.cat([x, wide], 1)), nn.Conv2d(3, 3, 5, padding=2)),
        Function(lambda x: x.chunk(2, dim=1)[0]),
        Function(lambda x: x[:, :1]),
    ],
    "squeeze and excitation": lambda: [nn.Conv2d(3, 3, 3), Function(torch.mul, gate())],
    "places swapped": lambda: [
        nn.Conv2d(3, 4, 3, stride=2),
        Function(lambda x: torch.roll(x.flip(3), (2, -1), (2, 3)).transpose(2, 3)),
    ],
    "norm over channels, channels last": lambda: [
        nn.Conv2d(3, 4, 3, stride=2),
        Function(lambda x: x.permute(0, 2, 3, 1)),
        nn.LayerNorm(4),
        nn.Linear(4, 5),
        Function(lambda x: x.permute(0, 3, 1, 2)),
    ],
    "norms over places": lambda: [nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4)],
    "attention in rows": lambda: [nn.Conv2d(3, 4, 3, stride=2), Function(local_attention)],
    "larger, nearest": lambda: [nn.Conv2d(3, 4, 3, stride=4), nn.Upsample(scale_factor=2.5), nn.Conv2d(4, 4, 2)],
    "larger, bilinear": lambda: [
        nn.Conv2d(3, 4, 3, stride=4),
        nn.Upsample((13, 17), mode="bilinear"),
        nn.Upsample(scale_factor=(0.6, 1.4), mode="bilinear", align_corners=True),
    ],
    "pixels shuffled": lambda: [nn.Conv2d(3, 8, 3, stride=2), nn.PixelShuffle(2), nn.PixelUnshuffle(2)],
    "patches": lambda: [
        Function(lambda x: x[..., :28, :20].unflatten(3, (5, 4)).unflatten(2, (7, 4)).mean((3, 5))),
        nn.Conv2d(3, 3, 2),
    ],
    "the picture written into": lambda: [nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3)],
    "one axis pooled": lambda: [nn.Conv2d(3, 4, 3), Function(lambda x: x.amax(3, keepdim=True).softmax(2))],
    "a classifier": lambda: [nn.Conv2d(3, 4, 5, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)],
    "a classifier of places": lambda: [nn.Conv2d(3, 4, 5, stride=4), nn.Flatten(), nn.Linear(140, 5)],
    "used twice": lambda: [Twice(), nn.Conv2d(3, 4, 1)],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("toy", TOYS)
def test_a_toy(load: Load, toy: str) -> None:
    torch.manual_seed(3)
    assert_as_gradients_say(toy_of(load, *TOYS[toy]()), "end", noise())


SMALL: dict[str, tuple[Callable[[], nn.Module], int, int, list[str]]] = {
    "vision transformer": (
        lambda: torchvision.models.VisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8
        ),
        32,
        32,
        ["conv_proj", "encoder.layers.encoder_layer_0.ln_1", "encoder.layers.encoder_layer_1", "heads"],
    ),
    "Swin": (
        lambda: torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [3, 3], num_classes=4),
        56,
        40,
        ["features.0", "features.1.0", "features.1.1", "features.2", "features.3.0", "norm", "head"],
    ),
    "ConvNeXt": (
        lambda: torchvision.models.ConvNeXt(
            [torchvision.models.convnext.CNBlockConfig(4, 8, 1), torchvision.models.convnext.CNBlockConfig(8, None, 1)],
            num_classes=4,
        ),
        72,
        48,
        ["features.0", "features.1", "features.1.0.block", "features.2", "features.3.0", "classifier"],
    ),
    "ShuffleNet": (
        lambda: torchvision.models.ShuffleNetV2([2, 2, 1], [4, 8, 12, 16, 20], num_classes=4),
        80,
        64,
        ["maxpool", "stage2.0", "stage2.1.branch2", "stage3", "conv5", "fc"],
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_of_a_known_kind(load: Load, name: str) -> None:
    build, height, width, layers = SMALL[name]
    torch.manual_seed(4)
    model = model_of(load, build(), height, width)
    for part in model.module.modules():
        if isinstance(part, nn.Linear):  # some begin with zeros
            nn.init.normal_(part.weight)
    for layer in layers:
        assert_as_gradients_say(model, layer, noise(height, width, 16))


def mean(given: Tensor, outputs: int) -> Tensor:
    return given.mean(-1, keepdim=True).expand(*given.shape[:-1], outputs)


def transparent(module: nn.Module) -> nn.Module:
    """A copy of the same build that is linear, without a negative weight: no path is closed, none is cancelled."""
    module = copy.deepcopy(module, sharing(module))
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.Conv2d):
            part.weight = nn.Parameter(torch.full_like(part.weight, 1 / part.weight[0].numel()), requires_grad=False)
            part.bias = None
        elif isinstance(part, nn.Linear):
            module.set_submodule(name, Function(partial(mean, outputs=part.out_features)))
        elif isinstance(part, nn.BatchNorm2d | nn.ReLU | nn.ReLU6):
            module.set_submodule(name, nn.Identity())
        elif isinstance(part, nn.MaxPool2d):
            assert part.dilation == 1
            pool = nn.AvgPool2d(part.kernel_size, part.stride, part.padding, ceil_mode=part.ceil_mode)
            module.set_submodule(name, pool)
    return module


@pytest.mark.parametrize(
    ("network", "height", "width", "layers"),
    [
        ("alexnet", 127, 95, ["features.0", "features.5", "features.10", "features", "avgpool", "classifier.6"]),
        ("vgg16", 64, 48, ["features.2", "features.9", "features.16", "features.28", "features.30"]),
        ("resnet18", 96, 128, ["maxpool", "layer1", "layer2.0.downsample", "layer3.1", "layer4", "avgpool", "fc"]),
        ("densenet121", 96, 64, ["features.pool0", "features.denseblock1.denselayer3", "features.denseblock2",
                                 "features.transition3.conv", "features.denseblock4.denselayer16", "features"]),
        ("efficientnet_lite0", 96, 80, ["stem", "blocks.2", "blocks.4", "blocks.10", "head"]),
    ],
)  # fmt: skip
def test_a_network(load: Load, network: str, height: int, width: int, layers: list[str]) -> None:
    model = model_of(load, load(network).module, height, width)
    through = transparent(model.module)
    for layer in layers:
        assert_as_gradients_say(model, layer, torch.rand(1, 3, height, width), through)


@pytest.mark.parametrize(
    ("network", "layer", "side"),
    [
        # Girshick et al. 2014, "Rich feature hierarchies for accurate object detection": pool5 sees 195 x 195 pixels.
        ("alexnet", "features.12", 195),
        # Araujo et al. 2019, "Computing receptive fields of convolutional neural networks": 212.
        ("vgg16", "features.30", 212),
    ],
)
def test_inside_the_picture_it_is_as_large_as_papers_say(load: Load, network: str, layer: str, side: int) -> None:
    boxes = receptive_field(model_of(load, load(network).module, 256, 256), layer).boxes
    assert (boxes[..., 2] - boxes[..., 0]).max() == side
    assert (boxes[..., 3] - boxes[..., 1]).max() == side


UNKNOWN: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "padding that is written piece by piece": (
        lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"),
        "a write through another view",
    ),
    "no rule": (lambda x: x.cumsum(2), "cumsum"),
    "places that the picture chooses": (lambda x: x[:, :, x[0, 0, :, 0].argsort()], "sort"),
    "a way that the picture chooses": (lambda x: x if x.sum() > 0 else x + 1, "_local_scalar_dense"),
    "weights from the picture": (lambda x: F.conv2d(x, x[:, :, :1, :1].transpose(0, 1)), "convolution"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_not_known_depends_on_the_whole_picture(load: Load, kind: str) -> None:
    function, operation = UNKNOWN[kind]
    convolution = nn.Conv2d(3, 1, 3)
    model = toy_of(load, convolution, Function(function), nn.Conv2d(1, 2, 3), nn.ReLU())
    assert receptive_field(model, "0").exact
    for layer in ("1", "2", "end"):
        field = receptive_field(model, layer)
        assert not field.exact
        assert field.unknown == operation
        assert (field.boxes == [0, 0, WIDTH, HEIGHT]).all()


def test_a_write_through_a_view_is_not_missed(load: Load) -> None:
    def shifted(given: Tensor) -> Tensor:
        canvas = torch.zeros_like(given)
        canvas[:, :, 1:] = given[:, :, :-1]
        return canvas

    def ahead(given: Tensor) -> Tensor:
        whole = given.clone()
        whole[:, :1].add_(given.sum())
        return whole

    for function in (shifted, ahead):
        field = receptive_field(toy_of(load, nn.Conv2d(3, 4, 3), Function(function)), "end")
        assert field.unknown == "a write through another view"
        assert (field.boxes == [0, 0, WIDTH, HEIGHT]).all()


def test_a_layer_that_does_not_look_at_the_picture(load: Load) -> None:
    field = receptive_field(toy_of(load, Function(lambda x: torch.ones_like(x) * 2)), "end")
    assert not field.exact
    assert field.boxes.shape == (HEIGHT, WIDTH, 4)
    assert (field.boxes == [0, 0, WIDTH, HEIGHT]).all()


def test_of_a_layer_that_runs_twice_the_last_run_counts(load: Load) -> None:
    model = toy_of(load, Twice())
    assert receptive_field(model, "0.part").box((10, 10)) == (8, 8, 13, 13)


def test_of_all_places_together(load: Load) -> None:
    field = receptive_field(toy_of(load, nn.Conv2d(3, 4, 2, stride=5, padding=1)), "0")
    assert field.box((0, 0)) == (0, 0, 1, 1)
    assert field.box() == field.box(None) == (0, 0, 21, 30)


def test_in_inference_mode_it_is_the_same(load: Load) -> None:
    model = load("resnet18")
    expected = receptive_field(model, "layer3")
    with torch.inference_mode():
        found = receptive_field(model, "layer3")
    assert found.exact
    assert np.array_equal(found.boxes, expected.boxes)


def test_passes_of_other_threads_go_on_meanwhile(load: Load) -> None:
    model = load("resnet18")
    image = torch.rand(1, 3, 64, 64)
    expected = model.module(image)
    with ThreadPoolExecutor() as threads:
        fields = [threads.submit(receptive_field, model, layer) for layer in ("layer2", "layer3") for _ in range(2)]
        scores = [threads.submit(model.module, image) for _ in range(4)]
    assert all(torch.equal(passed.result(), expected) for passed in scores)
    assert [field.result().box((0, 0)) for field in fields] == [(0, 0, 50, 50)] * 2 + [(0, 0, 106, 106)] * 2


def test_a_layer_without_a_grid_has_one_box(load: Load) -> None:
    field = receptive_field(load("resnet18"), "fc")
    assert field.exact
    assert field.boxes.shape == (1, 1, 4)
    assert field.boxes.dtype == np.int64
    assert field.box((0, 0)) == field.box() == (0, 0, 224, 224)


def test_an_unknown_layer_is_refused(load: Load) -> None:
    with pytest.raises(UnknownName, match=r"layer4\.1"):
        receptive_field(load("resnet18"), "layer4.1x")


@pytest.mark.parametrize("place", [(7, 0), (0, 7), (-1, 0), (0, -1)])
def test_a_place_outside_the_grid_is_refused(load: Load, place: Place) -> None:
    with pytest.raises(InvalidInput, match="7 rows and 7 columns") as caught:
        receptive_field(load("resnet18"), "layer4").box(place)
    assert (caught.value.field, caught.value.reason) == ("place", "OUT_OF_RANGE")
