"""DeepLIFT shares out the score's difference from that of a reference, layer by layer, and nothing gets lost."""

import copy
import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from captum.attr import DeepLift
from torch import Tensor, nn

from convscope.engine import attribute
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.target import ClassTarget, Output, UnitTarget
from convscope.engine.errors import InvalidInput, MethodUnsupported
from convscope.engine.models.preprocessing import Preprocessing
from tests.engine.reference import TARGETS, Inputs, Load
from tests.engine.rounding import assert_same_but_rounding, differs
from tests.engine.scanned import scanned

Function = Callable[[Tensor], Tensor]


def pictures(count: int = 2, side: int = 12) -> Tensor:
    return torch.randn(count, 3, side, side + 2, generator=torch.Generator().manual_seed(3))


def built(*layers: nn.Module) -> nn.Sequential:
    """A chain with weights, biases and statistics that are all of them different from nothing."""
    generator = torch.Generator().manual_seed(5)
    network = nn.Sequential(*layers).eval()
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if tensor.is_floating_point() and not name.endswith("running_var"):
                scale = tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
                tensor.copy_(scale * torch.randn(tensor.shape, generator=generator))
    return network


class Residual(nn.Module):
    """A body with a shortcut, added in place as ResNet does."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        out += x
        return out


class Dense(nn.Module):
    """A body whose output is laid beside its input, as DenseNet does."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.body(x)), dim=1)


class Does(nn.Module):
    """A function as a module."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def exact(network: nn.Module) -> nn.Module:
    """A copy in double precision."""
    return copy.deepcopy(network).double().requires_grad_(False)


# The definition: multipliers from layer to layer, on single pictures in double precision.


def multipliers(layer: nn.Module, x: Tensor, reference: Tensor, m: Tensor) -> Tensor:
    """Those of a layer's input ([1, ...] as x and its reference), given those of its output."""
    match layer:
        case nn.Sequential():
            before = [(x, reference)]
            for part in layer:
                before.append((part(before[-1][0].clone()), part(before[-1][1].clone())))
            for part, (at, start) in reversed(list(zip(layer, before, strict=False))):
                m = multipliers(part, at, start, m)
            return m
        case Residual():
            return m + multipliers(layer.body, x, reference, m)
        case Dense():
            channels = x.shape[1]
            return m[:, :channels] + multipliers(layer.body, x, reference, m[:, channels:])
        case nn.MaxPool2d():
            return pooling_multipliers(layer, x, reference, m)
        case nn.Conv2d() | nn.Linear() | nn.BatchNorm2d() | nn.AvgPool2d() | nn.AdaptiveAvgPool2d() | nn.Flatten():
            # Linear: the transposed matrix, which is what a gradient passes through, wherever it is taken.
            anywhere = torch.zeros_like(x, requires_grad=True)
            (transposed,) = torch.autograd.grad(layer(anywhere), anywhere, m)
            return transposed
        case _:
            return rescaled(layer, x, reference, m)


def rescaled(function: nn.Module, x: Tensor, reference: Tensor, m: Tensor) -> Tensor:
    """Number by number: delta y / delta x, or the derivative where there is no delta."""
    leaf = x.clone().requires_grad_()
    (derivative,) = torch.autograd.grad(function(leaf.clone()).sum(), leaf)
    y, y_reference = function(x.clone()), function(reference.clone())
    found = torch.zeros_like(x)
    for i in range(x.numel()):
        run = float(x.flatten()[i] - reference.flatten()[i])
        rise = float(y.flatten()[i] - y_reference.flatten()[i])
        found.view(-1)[i] = rise / run if run else derivative.flatten()[i]
    return m * found


def pooling_multipliers(layer: nn.MaxPool2d, x: Tensor, reference: Tensor, m: Tensor) -> Tensor:
    """Window by window: where the larger of the two maxima is, the whole difference of the maxima is put."""
    found = torch.zeros_like(x)
    size, stride, padding = int(layer.kernel_size), int(layer.stride), int(layer.padding)  # type: ignore[arg-type]
    for channel in range(x.shape[1]):
        for row in range(m.shape[2]):
            for column in range(m.shape[3]):
                top, left = row * stride - padding, column * stride - padding
                places = [
                    (i, j)
                    for i in range(max(top, 0), min(top + size, x.shape[2]))
                    for j in range(max(left, 0), min(left + size, x.shape[3]))
                ]
                at = {place: float(x[0, channel, place[0], place[1]]) for place in places}
                start = {place: float(reference[0, channel, place[0], place[1]]) for place in places}
                rise = max(at.values()) - max(start.values())
                larger = at if rise >= 0 else start
                place = max(places, key=lambda place: larger[place])
                run = at[place] - start[place]
                share = rise / run if run else 1.0
                found[0, channel, place[0], place[1]] += share * m[0, channel, row, column]
    return found


def paper(network: nn.Module, images: Tensor, references: Tensor, targets: list[int]) -> Tensor:
    network, shares = exact(network), []
    for image, reference, target in zip(images.double(), references.double(), targets, strict=True):
        x, start = image.unsqueeze(0), reference.unsqueeze(0)
        chosen = torch.zeros(1, network(x).shape[1], dtype=torch.float64)
        chosen[0, target] = 1
        shares.append((x - start) * multipliers(network, x, start, chosen))
    return torch.cat(shares)


FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu in place": lambda: nn.ReLU(inplace=True),
    "relu6": nn.ReLU6,
    "hardtanh in place": lambda: nn.Hardtanh(-0.5, 0.7, inplace=True),
    "leaky relu": lambda: nn.LeakyReLU(0.1),
    "prelu": lambda: nn.PReLU(4),
    "elu in place": lambda: nn.ELU(0.5, inplace=True),
    "selu": nn.SELU,
    "celu": lambda: nn.CELU(0.7),
    "gelu": nn.GELU,
    "gelu by tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish in place": lambda: nn.Hardswish(inplace=True),
    "hardsigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "logsigmoid": nn.LogSigmoid,
    "tanh": nn.Tanh,
    "softplus": lambda: nn.Softplus(2, 5),
    "softsign": nn.Softsign,
    "tanhshrink": nn.Tanhshrink,
    "hardshrink": nn.Hardshrink,
    "softshrink": nn.Softshrink,
    "threshold": lambda: nn.Threshold(0.1, -0.2),
}


CHAINS: dict[str, Callable[[], nn.Sequential]] = {
    "pooling": lambda: built(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 2), nn.MaxPool2d(2, padding=1), *head(5)
    ),
    "overlapping pooling": lambda: built(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(4, 5, 3, bias=False),
        nn.MaxPool2d(2, 1),
        *head(5),
    ),
    "shortcuts": lambda: built(
        nn.Conv2d(3, 4, 3, stride=2),
        Residual(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1)),
        nn.ReLU(inplace=True),
        Residual(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.ReLU6(inplace=True)),
        *head(4),
    ),
    "concatenations": lambda: built(
        nn.Conv2d(3, 4, 3),
        Dense(nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3, padding=1)),
        Dense(nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(3, 1, 1), nn.Conv2d(6, 2, 1)),
        nn.AvgPool2d(2),
        *head(8),
    ),
}


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 8), nn.Sigmoid(), nn.Linear(8, 3)]


def assert_complete(found: Attribution, tolerance: float = 1e-4) -> None:
    """The sum is the difference, which must be one that float32 scores can tell."""
    assert found.convergence_error is not None
    total = found.values.double().flatten(1).sum(dim=1)
    difference = total - found.convergence_error.double()
    assert (difference.abs() > 1e-3 * found.scores.abs().amax(dim=1)).all(), "a difference of nothing proves nothing"
    assert ((total - difference).abs() <= tolerance * difference.abs()).all()


def assert_is_the_papers(network: nn.Module, images: Tensor) -> None:
    expected = paper(network, images, torch.zeros_like(images), [0, 2])
    found = attribute_fully(network, images, [0, 2], "deep_lift")
    assert_same_but_rounding(found.values, expected)
    precise = attribute(exact(network), images.double(), [0, 2], "deep_lift")
    assert torch.allclose(precise, expected, rtol=0, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_the_rescale_rule(name: str) -> None:
    function = FUNCTIONS[name]
    images = pictures()
    # Here no number differs from its reference.
    images[:, :, :7, :7] = 0
    assert_is_the_papers(built(nn.Conv2d(3, 4, 3), function(), nn.Conv2d(4, 4, 2), function(), *head(4)), images)


@pytest.mark.parametrize("name", CHAINS)
def test_it_is_the_papers_layer_by_layer(name: str) -> None:
    assert_is_the_papers(CHAINS[name](), pictures())


SPELLINGS: dict[str, tuple[Function, ...]] = {
    "relu": (
        F.relu,
        torch.relu,
        Tensor.relu,
        lambda x: F.relu(input=x),
        lambda x: F.relu(x.clone(), True),
        lambda x: F.relu(x.clone(), inplace=True),
        lambda x: F.relu_(x.clone()),
        lambda x: torch.relu_(x.clone()),
        lambda x: x.clone().relu_(),
        lambda x: x.clamp(min=0),
        lambda x: torch.clamp(x, 0),
        lambda x: x.clone().clamp_(0),
        lambda x: x.clamp_min(0),
        lambda x: F.threshold(x, 0, 0),
        lambda x: F.leaky_relu(x, negative_slope=0),
        lambda x: F.hardtanh(x, 0, 1e9),
        lambda x: F.hardtanh(x.clone(), 0, 1e9, True),
        lambda x: F.prelu(x, torch.zeros(1)),
    ),
    "relu6": (
        F.relu6,
        lambda x: F.relu6(x.clone(), True),
        lambda x: F.hardtanh(x, 0.0, 6.0),
        lambda x: F.hardtanh(x, min_val=0.0, max_val=6.0),
        lambda x: F.hardtanh_(x.clone(), 0.0, 6.0),
        lambda x: x.clamp(0, 6),
        lambda x: x.clip(0, 6),
        lambda x: torch.clamp(x, max=torch.tensor(6.0), min=torch.tensor(0.0)),
    ),
    "sigmoid": (
        torch.sigmoid,
        Tensor.sigmoid,
        F.sigmoid,
        lambda x: x.clone().sigmoid_(),
        lambda x: torch.sigmoid_(x.clone()),
    ),
    "tanh": (torch.tanh, Tensor.tanh, F.tanh, lambda x: x.clone().tanh_()),
    "silu": (F.silu, lambda x: F.silu(x.clone(), inplace=True), lambda x: F.silu(x.clone(), True)),
    "elu": (F.elu, lambda x: F.elu(x, 1.0), lambda x: F.elu(x.clone(), 1.0, True), lambda x: F.elu_(x.clone())),
    "max_pool2d of 3, 2, 1": (
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(x, kernel_size=3, stride=2, padding=1),
        lambda x: F.max_pool2d(x, (3, 3), (2, 2), 1, 1, False, False),
        lambda x: torch.max_pool2d(x, 3, 2, 1),
        nn.MaxPool2d(3, 2, 1),
    ),
    "max_pool2d of 2": (
        lambda x: F.max_pool2d(x, 2),
        lambda x: torch.max_pool2d(x, 2),
        lambda x: F.adaptive_max_pool2d(x, (x.shape[2] // 2, x.shape[3] // 2)),
        nn.AdaptiveMaxPool2d((6, 7)),
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_has_the_rule(name: str) -> None:
    def explained(function: Function) -> Attribution:
        network = built(nn.Conv2d(3, 4, 3, padding=1), Does(function), *head(4))
        return attribute_fully(network, 5 * pictures(), [0, 2], "deep_lift")

    first, *others = (explained(function) for function in SPELLINGS[name])
    assert_complete(first)
    for number, other in enumerate(others, 1):
        assert torch.allclose(other.values, first.values, rtol=1e-4, atol=1e-7), number
        assert torch.allclose(other.scores, first.scores), number


@pytest.mark.parametrize(
    "rectify", [F.relu_, Tensor.relu_, nn.ReLU(inplace=True), lambda x: F.relu(x, True), lambda x: x.clamp_(min=0)]
)
def test_an_activation_rectified_in_place_and_then_used_again_is_the_rectified_one(rectify: Function) -> None:
    def twice(x: Tensor) -> Tensor:
        rectified = F.relu(x)
        return rectified + torch.tanh(rectified)

    def in_place(x: Tensor) -> Tensor:
        rectify(x)
        return x + torch.tanh(x)

    values = [
        attribute(built(nn.Conv2d(3, 4, 3), Does(function), *head(4)), pictures(), [0, 2], "deep_lift")
        for function in (twice, in_place)
    ]
    assert torch.equal(values[0], values[1])


def lively(module: nn.Module) -> nn.Module:
    """A copy whose random weights do not let the picture fade: with torchvision's GoogLeNet answers a constant."""
    module = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(7)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=generator)
    return module


EXACT = ("alexnet", "vgg16", "resnet18", "resnet101", "densenet121", "googlenet", "squeezenet1_1", "efficientnet_lite0")


@pytest.mark.parametrize("network", EXACT)
def test_nothing_of_the_difference_gets_lost(network: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned(network, load, inputs)
    if network in ("alexnet", "vgg16", "googlenet", "squeezenet1_1"):
        module = lively(module)
    found = attribute_fully(module, images, None, "deep_lift")
    assert_complete(found)
    top = [target.classes[0] for target in found.targets.each if isinstance(target, ClassTarget)]
    with torch.no_grad():
        difference = (module(images) - module(torch.zeros_like(images))).gather(1, torch.tensor(top).view(2, 1))
    total = found.values.double().flatten(1).sum(dim=1)
    assert torch.allclose(total, difference.double().squeeze(1), rtol=1e-4, atol=0)


@pytest.mark.parametrize("network", ["mobilenet_v2", "shufflenet_v2_x0_5"])
def test_nor_in_others_that_are_built_of_the_same(network: str) -> None:
    module = lively(getattr(torchvision.models, network)().eval())
    assert_complete(attribute_fully(module, pictures(2, 64), [3, 5], "deep_lift"))


def test_nor_in_whole_photographs(load: Load, inputs: Inputs) -> None:
    model = load("efficientnet_lite0")
    found = attribute_fully(model.module, inputs(model)[:2], None, "deep_lift", preprocessing=model.preprocessing)
    assert found.values.shape == (2, 3, 224, 224)
    assert_complete(found, 1e-5)


@pytest.mark.parametrize("fill", ["grey", "mean", "blur"])
def test_the_reference_is_the_fill(fill: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned("efficientnet_lite0", load, inputs)
    preprocessing = load("efficientnet_lite0").preprocessing
    found = attribute_fully(module, images, TARGETS, "deep_lift", preprocessing=preprocessing, fill=fill)
    assert_complete(found)
    assert differs(attribute(module, images, TARGETS, "deep_lift"), found.values)


def test_the_reference_may_be_a_colour() -> None:
    mean, std, color = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), (0.2, 0.5, 1.0)
    channels = [(shade - m) / s for shade, m, s in zip(color, mean, std, strict=True)]
    reference = torch.tensor(channels).view(1, 3, 1, 1).expand_as(pictures())
    # No max pooling: among the equal numbers of one colour, rounding chooses the largest.
    network = CHAINS["shortcuts"]()
    found = attribute(
        network, pictures(), [0, 2], "deep_lift", preprocessing=Preprocessing(mean=mean, std=std), fill_color=color
    )
    assert_same_but_rounding(found, paper(network, pictures(), reference, [0, 2]))


def vgg_like(*pooling: nn.Module) -> nn.Sequential:
    """As Captum needs it: no module runs twice, none in place, nothing functional."""
    return built(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), *pooling,
        nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), *copy.deepcopy(pooling),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3),
    )  # fmt: skip


def by_captum(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    values, delta = DeepLift(copy.deepcopy(network)).attribute(
        images.clone().requires_grad_(),
        torch.zeros_like(images).requires_grad_(),
        target=[0, 2],
        return_convergence_delta=True,
    )
    return values.detach(), delta


def apart() -> nn.Module:
    """Changes nothing. Two modules with rules that stand next to each other hook one tensor in Captum 0.9, and the rule
    of the second comes too late for the first."""
    return nn.AvgPool2d(1)


captums = pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")


@captums
@pytest.mark.parametrize("pooling", [[nn.AvgPool2d(3, 2)], [apart(), nn.MaxPool2d(2)]], ids=["mean", "max"])
def test_it_is_captums_where_that_is_complete(pooling: list[nn.Module]) -> None:
    network, images = vgg_like(*pooling), pictures(2, 24)
    values, delta = by_captum(network, images)
    found = attribute_fully(network, images, [0, 2], "deep_lift")
    assert (delta.abs() < 1e-6).all()
    assert float((found.values - values).abs().max()) <= 1e-5 * float(values.abs().max())


@captums
@pytest.mark.parametrize("pooling", [[nn.MaxPool2d(2)], [apart(), nn.MaxPool2d(3, 2)]], ids=["adjacent", "overlapping"])
def test_where_captum_loses_a_part_of_the_difference_this_does_not(pooling: list[nn.Module]) -> None:
    """Where a place is the largest of several windows, Captum's max_unpool2d keeps the share of one of them."""
    network, images = vgg_like(*pooling), pictures(2, 24)
    values, delta = by_captum(network, images)
    found = attribute_fully(network, images, [0, 2], "deep_lift")
    assert_complete(found, 1e-5)
    assert found.convergence_error is not None
    assert (delta.abs() > 1000 * found.convergence_error.abs()).all()
    assert differs(values, found.values)


@pytest.mark.parametrize("network", ["resnet18", "densenet121", "efficientnet_lite0"])
def test_batched_and_alone_give_the_same(network: str, load: Load, inputs: Inputs) -> None:
    module, images = scanned(network, load, inputs)
    targets = [ClassTarget((281, 282), (3,)), ClassTarget()]
    together = attribute_fully(module, images, targets, "deep_lift")
    for row, target in enumerate(targets):
        alone = attribute_fully(module, images[row : row + 1], target, "deep_lift")
        assert_same_but_rounding(alone.values, together.values[row : row + 1])
        assert torch.allclose(alone.explained, together.explained[row : row + 1], rtol=1e-4)
        assert alone.targets.each == together.targets.each[row : row + 1]


def test_more_pictures_than_run_at_once_keep_their_order() -> None:
    network, images = CHAINS["overlapping pooling"](), pictures(19)
    seen: list[tuple[int, int]] = []
    targets = [row % 3 for row in range(19)]
    found = attribute_fully(network, images, targets, "deep_lift", progress=lambda *counts: seen.append(counts))
    assert seen[0] == (0, 19)
    assert seen[-1] == (19, 19)
    assert len(seen) > 2
    assert_same_but_rounding(found.values, paper(network, images, torch.zeros_like(images), targets))
    with torch.no_grad():
        assert torch.allclose(found.scores, network(images), atol=1e-6)
    assert found.targets.each == tuple(ClassTarget((target,)) for target in targets)
    assert found.convergence_error is not None
    assert found.convergence_error.shape == (19,)


@pytest.mark.parametrize("network", ["alexnet", "vgg16", "resnet18"])
def test_without_biases_and_from_zero_it_is_input_x_gradient(network: str, load: Load, inputs: Inputs) -> None:
    """ReLUs then have the slope 0 or 1 all the way: as Ancona et al. 2018 have it, proposition 1."""
    module, images = scanned(network, load, inputs)
    module = lively(module)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    assert_same_but_rounding(
        attribute(module, images, TARGETS, "deep_lift"), attribute(module, images, TARGETS, "input_x_gradient")
    )


@pytest.mark.parametrize(
    "target", [UnitTarget("layer2", 5), UnitTarget("layer1.0.bn1", 7), UnitTarget("layer3", 2, (1, 2))], ids=str
)
def test_a_units_difference_is_shared_out_too(target: UnitTarget, load: Load, inputs: Inputs) -> None:
    """Behind layer1.0.bn1 stands a ReLU in place."""
    module, images = scanned("resnet18", load, inputs)
    outputs: list[Tensor] = []
    layer = module.get_submodule(target.layer)
    handle = layer.register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    with torch.no_grad():
        module(images)
        module(torch.zeros_like(images))
    handle.remove()
    units = [output[:, target.channel].double() for output in outputs]
    rows = [unit[:, *target.place] if target.place else unit.mean(dim=(1, 2)) for unit in units]
    found = attribute_fully(module, images, target, "deep_lift")
    total = found.values.double().flatten(1).sum(dim=1)
    assert torch.allclose(total, rows[0] - rows[1], rtol=1e-4, atol=0)
    assert torch.allclose(found.explained.double(), rows[0], rtol=1e-4, atol=0)


def test_the_module_is_as_before_and_other_threads_are_not_concerned(load: Load, inputs: Inputs) -> None:
    module, images = scanned("resnet18", load, inputs)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    attribute(module, images, TARGETS, "deep_lift")
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())
    slopes: list[Tensor] = []

    def elsewhere(x: Tensor) -> Tensor:
        def work() -> None:
            leaf = torch.tensor([[-1.0], [2.0]], requires_grad=True)
            slopes.extend(torch.autograd.grad(F.softplus(leaf).sum(), leaf))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return F.softplus(x)

    attribute(built(nn.Conv2d(3, 4, 3), Does(elsewhere), *head(4)), pictures(1), [0], "deep_lift")
    assert all(torch.allclose(slope, torch.sigmoid(torch.tensor([[-1.0], [2.0]]))) for slope in slopes)
    assert slopes


def squeeze_and_excite(x: Tensor) -> Tensor:
    return x * x.mean(dim=(2, 3), keepdim=True).sigmoid()


def attend(x: Tensor) -> Tensor:
    tokens = x.flatten(2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).view_as(x)


def normalize_places(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[1:])


REFUSED: list[tuple[Function, str]] = [
    (squeeze_and_excite, "squeeze-and-excitation"),
    (lambda x: x.mul(x.mean(dim=1, keepdim=True)), "product of two paths"),
    (lambda x: x / (1 + x.abs()), "product of two paths"),
    (lambda x: 1 / (2 + x.sigmoid()), "Reciprocal"),
    (lambda x: x @ x.transpose(2, 3), "product of two paths"),
    (attend, "softmax between its layers"),
    (lambda x: x.softmax(dim=1), "softmax between its layers"),
    (normalize_places, "layer norm"),
    (nn.GroupNorm(2, 4), "layer norm"),
    (lambda x: x**2, "Pow"),
    (lambda x: x.amax(dim=(2, 3), keepdim=True), "Amax"),
    (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], "MaxPool2DWithIndices"),
    (lambda x: F.max_pool2d(x, 2, 2, 0, 1, False, True)[0], "MaxPool2DWithIndices"),
    (lambda x: x.clamp(min=x.mean(dim=1, keepdim=True)), "Clamp"),
    (lambda x: F.batch_norm(x, None, None, training=True), "training mode"),
]


@pytest.mark.parametrize(("function", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_has_no_rule_is_refused_and_named(function: Function, reason: str) -> None:
    network = built(nn.Conv2d(3, 4, 3), Does(function), *head(4))
    with pytest.raises(MethodUnsupported, match=reason) as caught:
        attribute(network, pictures(), None, "deep_lift")
    assert caught.value.field == "method"
    leaf = torch.tensor([[-1.0], [2.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(F.softplus(leaf).sum(), leaf)
    assert torch.allclose(slope, torch.sigmoid(leaf)), "the rule is left behind"


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("vit_b_32", "layer norm"),
        ("swin_t", "layer norm"),
        ("convnext_tiny", "layer norm"),
        ("efficientnet_b0", "squeeze-and-excitation"),
    ],
)
def test_networks_with_such_parts_are_refused(network: str, reason: str) -> None:
    module = getattr(torchvision.models, network)().eval()
    images = pictures(1, 224)[..., :224] if network == "vit_b_32" else pictures(1, 64)
    with pytest.raises(MethodUnsupported, match=reason):
        attribute(module, images, None, "deep_lift")
    first = next(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))
    assert attribute(module, images, UnitTarget(first, 0), "deep_lift").any(), "no such part leads to this"


def test_a_constant_factor_and_a_norm_of_parameters_are_no_such_parts() -> None:
    scale, gate = nn.Parameter(torch.full((4, 1, 1), 0.7)), nn.Parameter(torch.tensor(0.3))

    def scaled(x: Tensor) -> Tensor:
        return F.relu(gate.sigmoid() * x * scale.exp() / scale.norm() + scale.softmax(dim=0))

    assert_complete(attribute_fully(built(nn.Conv2d(3, 4, 3), Does(scaled), *head(4)), pictures(), [0, 2], "deep_lift"))


def test_a_mask_of_the_networks_own_shows_in_the_convergence_error() -> None:
    """x * (x > 0) is a ReLU of which autograd does not know."""
    network = built(nn.Conv2d(3, 4, 3), Does(lambda x: x * (x > 0)), *head(4))
    found = attribute_fully(network, pictures(), [0, 2], "deep_lift")
    total = found.values.flatten(1).sum(dim=1)
    assert found.convergence_error is not None
    assert (found.convergence_error.abs() > 0.01 * total.abs()).all()


@pytest.mark.parametrize("output", ["probability", "log_probability"])
def test_a_probability_is_refused(output: Output) -> None:
    with pytest.raises(InvalidInput, match="explains the score") as caught:
        attribute(CHAINS["pooling"](), pictures(), ClassTarget((1,), output=output), "deep_lift")
    assert caught.value.field == "targets"


def test_a_picture_that_is_its_reference_has_nothing_to_share_out() -> None:
    found = attribute_fully(CHAINS["overlapping pooling"](), torch.zeros(1, 3, 12, 14), None, "deep_lift")
    assert not found.values.any()
    assert found.convergence_error is not None
    assert float(found.convergence_error) == 0


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.Sigmoid(), nn.ReLU()], ids=["pooling", "sigmoid", "relu"])
def test_where_differences_cancel_out_the_slope_is_the_derivative(layer: nn.Module) -> None:
    """Red speaks for what green speaks against; where both are the same, a unit is what it is at the reference."""
    mixing = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        mixing.weight.copy_(torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1))
        mixing.bias.fill_(0.5)  # type: ignore[union-attr]
    network = nn.Sequential(mixing, layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = pictures()
    images[:, 1] = images[:, 0]
    found = attribute(network, images, 0, "deep_lift")
    assert found[:, :2].any()
    assert_same_but_rounding(found, attribute(network, images, 0, "input_x_gradient"))


def test_half_precision_gives_single_precision() -> None:
    network, images = CHAINS["shortcuts"](), pictures()
    expected = attribute(network, images, [0, 2], "deep_lift")
    found = attribute_fully(copy.deepcopy(network).bfloat16(), images.bfloat16(), [0, 2], "deep_lift")
    assert found.values.dtype == torch.float32
    # bfloat16 has eight bits.
    assert float((found.values - expected).abs().max()) < 0.1 * float(expected.abs().max())
