"""A batch norm goes into the convolution before it where that changes no score, and nowhere else."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from convscope.engine import attribute
from convscope.engine.models.folding import Folded, fold_batch_norm
from convscope.engine.models.model import Model
from tests.engine.rounding import RELATIVE, differs

# How many batch norms each network folds, and has.
NETWORKS = {
    "alexnet": (0, 0),
    "vgg16": (0, 0),
    "vgg16_bn": (13, 13),
    "resnet18": (20, 20),
    "resnet101": (104, 104),
    "densenet121": (59, 121),  # the others come behind a concatenation
    "googlenet": (57, 57),
    "inception_v3": (94, 94),
    "mobilenet_v2": (52, 52),
    "efficientnet_lite0": (49, 49),
}
Load = Callable[[str], Model]


@dataclass(frozen=True)
class Case:
    name: str
    original: nn.Module
    tensors: list[Tensor]
    """Copies of the original's parameters and buffers before the folding."""
    scores: Tensor
    """Of the original before the folding."""
    folded: Folded
    images: Tensor


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest, load: Load) -> Case:
    name = request.param
    if name.startswith("efficientnet_lite"):
        network = load(name).module  # published weights and statistics
    else:
        torch.manual_seed(3)
        heads = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network = trained(torchvision.models.get_model(name, **heads))
    images = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(5))
    images = images.contiguous(memory_format=torch.channels_last)
    tensors = [tensor.clone() for tensor in tensors_of(network)]
    scores = run(network, images)
    return Case(name, network, tensors, scores, fold_batch_norm(network), images)


def trained(network: nn.Module, seed: int = 11) -> nn.Module:
    """In evaluation mode, with statistics as if trained: in fresh ones there is hardly anything to fold."""
    draws = torch.Generator().manual_seed(seed)
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            for tensor in chain(part.parameters(), part.buffers()):
                if tensor.is_floating_point():
                    tensor.data = torch.rand(tensor.shape, generator=draws).to(tensor) + 0.5
    network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)


def tensors_of(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


@torch.no_grad()
def run(network: nn.Module, images: Tensor) -> Tensor:
    scores: Tensor = network(images)
    return scores


def outputs_of(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What every part of the network gave in its last run."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                outputs[name] = output.clone()  # an in-place operation may follow

        return hook

    handles = [part.register_forward_hook(keep(name)) for name, part in network.named_modules() if name]
    run(network, images)
    for handle in handles:
        handle.remove()
    return outputs


def assert_near(found: Tensor, expected: Tensor, name: str = "") -> None:
    assert found.shape == expected.shape
    error = float((found.double() - expected.double()).abs().max() / expected.double().abs().max())
    assert error <= RELATIVE, f"{name}: off by {error:.1e} of the largest value"


def norms_in(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_the_scores_are_those_of_the_original(case: Case) -> None:
    assert_near(run(case.folded.module, case.images), case.scores)


def test_every_norm_behind_a_convolution_is_folded(case: Case) -> None:
    folded, norms = NETWORKS[case.name]
    assert norms_in(case.original) == norms
    assert norms_in(case.folded.module) == norms - folded
    assert len(case.folded.changed) == folded
    assert (case.folded.module is case.original) == (folded == 0)


def test_all_names_stay(case: Case) -> None:
    assert [name for name, _ in case.folded.module.named_modules()] == [
        name for name, _ in case.original.named_modules()
    ]


def test_the_layers_that_are_not_named_give_what_they_gave_and_the_named_do_not(case: Case) -> None:
    found = outputs_of(case.folded.module, case.images)
    expected = outputs_of(case.original, case.images)
    assert list(found) == list(expected)
    for name in found:
        if name in case.folded.changed:
            assert differs(found[name], expected[name]), name
        else:
            assert_near(found[name], expected[name], name)


def test_the_original_is_as_before(case: Case) -> None:
    assert all(torch.equal(now, before) for now, before in zip(tensors_of(case.original), case.tensors, strict=True))
    assert torch.equal(run(case.original, case.images), case.scores)


def test_what_is_not_folded_is_shared(case: Case) -> None:
    originals = {tensor.data_ptr() for tensor in tensors_of(case.original)}
    own = {name for name, tensor in case.folded.module.named_parameters() if tensor.data_ptr() not in originals}
    assert own == {f"{name}.{part}" for name in case.folded.changed for part in ("weight", "bias")}
    assert all(buffer.data_ptr() in originals for buffer in case.folded.module.buffers())


def test_the_copy_is_for_evaluation_only_and_channels_last(case: Case) -> None:
    assert not any(part.training for part in case.folded.module.modules())
    for parameter in case.folded.module.parameters():
        assert not parameter.requires_grad
        assert parameter.ndim != 4 or parameter.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("network", "layer"),
    [("resnet18", "layer4"), ("resnet18", "layer3.0.bn1"), ("densenet121", "features.denseblock3")],
)
def test_grad_cam_is_that_of_the_original(network: str, layer: str) -> None:
    original = trained(torchvision.models.get_model(network))
    folded = fold_batch_norm(original)
    assert layer not in folded.changed
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(5))
    found, expected = (
        attribute(module, images, [3, 281], "grad_cam", layer=layer) for module in (folded.module, original)
    )
    assert_near(found, expected)


# Toys. Each takes [N, 3, 8, 8].


class Toy(nn.Module):
    """A convolution with a batch norm behind it, as most networks have it."""

    def __init__(self, conv: nn.Module | None = None, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.conv: Any = conv or nn.Conv2d(3, 6, 3, padding=1)
        self.norm: Any = norm or nn.BatchNorm2d(6)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(images)))

    def head(self, values: Tensor) -> Tensor:
        return values.relu().mean(dim=(2, 3))


class PaddingItself(nn.Conv2d):
    def forward(self, images: Tensor) -> Tensor:
        padded = F.pad(images, (0, 1, 0, 1))
        return F.conv2d(padded, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class OptionalArgument(Toy):
    def forward(self, images: Tensor, scale: Tensor | None = None) -> Tensor:
        if scale is not None:
            images = images * scale
        return super().forward(images)


class ByKeyword(Toy):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(input=self.conv(input=images)))


class InAList(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.parts = [self.conv, self.norm]

    def forward(self, images: Tensor) -> Tensor:
        for part in self.parts:
            images = part(images)
        return self.head(images)


class TwoNames(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.again = self.norm

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.again(self.conv(images)))


class TiedWeights(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(3, 6, 3, padding=1)
        self.other.weight = self.conv.weight

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(images)) + self.other(images))


class Keeping(Toy):
    """Keeps what passes, as many a network for CAM does."""

    kept: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        self.kept = self.norm(self.conv(images))
        return self.head(self.kept)


class Counting(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, images: Tensor) -> Tensor:
        self.runs += 1
        return super().forward(images)


FOLDED: dict[str, Callable[[], nn.Module]] = {
    "with a bias": Toy,
    "without a bias": lambda: Toy(nn.Conv2d(3, 6, 3, bias=False)),
    "without scale and shift": lambda: Toy(norm=nn.BatchNorm2d(6, affine=False)),
    "with another epsilon": lambda: Toy(norm=nn.BatchNorm2d(6, eps=0.1)),
    "grouped": lambda: Toy(nn.Conv2d(3, 6, 3, groups=3)),
    "depthwise": lambda: nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.BatchNorm2d(3), nn.Flatten()),
    "with padding by reflection": lambda: Toy(nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect")),
    "that pads itself": lambda: Toy(PaddingItself(3, 6, 3, bias=False)),
    "optional argument": OptionalArgument,
    "by keyword": ByKeyword,
    "in a plain list": InAList,
    "two names of one norm": TwoNames,
    "weights of another convolution": TiedWeights,
    "keeps what passes": Keeping,
    "counts its runs": Counting,
    "in float64": lambda: Toy().double(),
}


def toy_images(network: nn.Module) -> Tensor:
    dtype = next(network.parameters()).dtype
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(5)).to(dtype)


@pytest.mark.parametrize("toy", FOLDED)
def test_a_norm_is_folded(toy: str) -> None:
    original = trained(FOLDED[toy]())
    folded = fold_batch_norm(original)
    assert folded.changed == {"0" if isinstance(original, nn.Sequential) else "conv"}
    assert norms_in(folded.module) == 0
    images = toy_images(original)
    assert_near(run(folded.module, images), run(original, images))
    assert run(folded.module, images).dtype == images.dtype


@pytest.mark.parametrize("toy", [Keeping, Counting])
def test_the_forward_leaves_no_trace_in_the_original(toy: type[Toy]) -> None:
    original = trained(toy())
    before = dict(vars(original))
    assert fold_batch_norm(original).changed
    assert vars(original) == before


def test_both_names_of_a_norm_are_one_identity() -> None:
    folded = fold_batch_norm(trained(TwoNames())).module
    assert folded.norm is folded.again
    assert isinstance(folded.norm, nn.Identity)


def test_a_container_that_gives_what_its_convolution_gives_has_changed_too() -> None:
    original = trained(Toy(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 6, 3))))
    assert fold_batch_norm(original).changed == {"conv", "conv.1"}


class CountingInABuffer(Toy):
    runs: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.runs += 1
        return super().forward(images)


def test_a_count_of_runs_in_a_buffer_is_that_of_runs() -> None:
    original = trained(CountingInABuffer())
    before = original.get_buffer("runs").clone()
    fold_batch_norm(original)
    assert torch.equal(original.get_buffer("runs"), before)


class UsedTwice(Toy):
    def forward(self, images: Tensor) -> Tensor:
        values = self.conv(images)
        return self.head(self.norm(values) + values)


class ChangedInPlace(Toy):
    def forward(self, images: Tensor) -> Tensor:
        values = self.conv(images)
        values.relu_()
        return self.head(self.norm(values))


class ConvolvedTwice(Toy):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(images)) + self.conv(images + 1))


class NormalisedTwice(Toy):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.norm(self.conv(images))))


class WeightBesides(Toy):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(images)) + F.conv2d(images, self.conv.weight, padding=1))


class MeanBesides(Toy):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(images)) + self.norm.running_mean.view(1, -1, 1, 1))


class EpsilonBesides(Toy):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).add(self.norm.eps)


class KindBesides(Toy):
    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        return scores + 1 if isinstance(self.norm, nn.BatchNorm2d) else scores


class ForwardCalled(Toy):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.conv.forward(images)))


class DependingOnValues(Toy):
    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        return scores if images.sum() > 0 else -scores


class Functional(Toy):
    def forward(self, images: Tensor) -> Tensor:
        norm = self.norm
        return self.head(F.batch_norm(self.conv(images), norm.running_mean, norm.running_var, norm.weight, norm.bias))


class Standardising(nn.Conv2d):
    def forward(self, images: Tensor) -> Tensor:
        weight = self.weight / self.weight.std(dim=(1, 2, 3), keepdim=True)
        return F.conv2d(images, weight, self.bias)


class Activating(nn.Conv2d):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).relu()


class WithoutBias(nn.Conv2d):
    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.weight, None)


class ActivatingNorm(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


class Quantised(nn.Parameter):
    """A weight of a type that is not ours to scale."""


def hooked() -> Toy:
    toy = Toy()
    toy.conv.register_forward_hook(lambda _, __, output: output + 1)
    return toy


def with_own_forward() -> Toy:
    toy = Toy()
    plain = toy.norm.forward
    toy.norm.forward = lambda input: plain(input) + 1
    return toy


def with_quantised_weight() -> Toy:
    toy = Toy()
    toy.conv.weight = Quantised(torch.randn(6, 3, 3, 3))
    return toy


NOT_FOLDED: dict[str, Callable[[], nn.Module]] = {
    "output used twice": UsedTwice,
    "output changed in place": ChangedInPlace,
    "convolution run twice": ConvolvedTwice,
    "norm run twice": NormalisedTwice,
    "weight used besides": WeightBesides,
    "running mean used besides": MeanBesides,
    "epsilon used besides": EpsilonBesides,
    "kind of the norm asked": KindBesides,
    "forward called by its name": ForwardCalled,
    "way depends on values": DependingOnValues,
    "functional norm": Functional,
    "weight standardised": lambda: Toy(Standardising(3, 6, 3)),
    "activation in the convolution": lambda: Toy(Activating(3, 6, 3)),
    "bias never used": lambda: Toy(WithoutBias(3, 6, 3, bias=False)),
    "activation in the norm": lambda: Toy(norm=ActivatingNorm(6)),
    "activation between": lambda: Toy(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())),
    "parametrized": lambda: Toy(parametrizations.weight_norm(nn.Conv2d(3, 6, 3))),
    "quantised": with_quantised_weight,
    "hooked": hooked,
    "norm with its own forward": with_own_forward,
    "transposed": lambda: Toy(nn.ConvTranspose2d(3, 6, 3)),
    "no running statistics": lambda: Toy(norm=nn.BatchNorm2d(6, track_running_stats=False)),
    "synchronised norm": lambda: Toy(norm=nn.SyncBatchNorm(6)),
    "group norm": lambda: Toy(norm=nn.GroupNorm(2, 6)),
    "lone convolution": lambda: nn.Conv2d(3, 6, 3),
}


@pytest.mark.parametrize("toy", NOT_FOLDED)
def test_what_cannot_be_folded_comes_back_as_it_is(toy: str) -> None:
    original = trained(NOT_FOLDED[toy]())
    images = toy_images(original)
    before = run(original, images)
    folded = fold_batch_norm(original)
    assert folded.module is original
    assert folded.changed == frozenset()
    assert torch.equal(run(original, images), before)


def test_a_norm_in_training_is_not_folded() -> None:
    original = trained(Toy())
    original.get_submodule("norm").train()
    assert fold_batch_norm(original).module is original


def test_a_lazy_network_comes_back_as_it_is() -> None:
    original = Toy(nn.LazyConv2d(6, 3)).eval()
    assert fold_batch_norm(original).module is original


def test_other_networks_run_meanwhile() -> None:
    # torch.fx patches nn.Module for all threads while it follows a forward.
    call = nn.Module.__call__
    network, images = trained(Toy()), torch.randn(1, 3, 8, 8)
    expected = run(network, images)
    answers: list[bool] = []
    ended = threading.Event()

    def keep_running() -> None:
        while not ended.is_set():
            answers.append(torch.equal(run(network, images), expected))

    failures: list[Folded] = []

    def keep_folding() -> None:
        for _ in range(3):
            folded = fold_batch_norm(trained(torchvision.models.mobilenet_v2()))
            if len(folded.changed) != 52:
                failures.append(folded)

    runner = threading.Thread(target=keep_running)
    folders = [threading.Thread(target=keep_folding) for _ in range(2)]
    for thread in (runner, *folders):
        thread.start()
    for thread in folders:
        thread.join()
    ended.set()
    runner.join()
    assert answers
    assert all(answers)
    assert not failures
    assert nn.Module.__call__ is call, "a patch of torch.fx stayed"
