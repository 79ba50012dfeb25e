"""Recipes beside the plain PyTorch that a user would write of each, and classes in one batch."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.functional import rotate

from benchmarks.machine import DEVICE, THREADS
from benchmarks.networks import TARGET, as_peers_have_it, seeded
from benchmarks.timing import in_turn
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.recipes import RECIPES, Recipe
from convscope.services.common.tuning import tune_process

NETWORKS = ("efficientnet_lite0", "resnet18", "resnet50", "vgg16")
STEPS, BATCH, ROUNDS = 32, 8, 3
AT_MOST, BATCH_AT_MOST = 0.8, 0.7

Plain = Callable[[nn.Module, Model, SynthesisParameters], None]


def run() -> None:
    tune_process()  # as workers are, for either side
    torch.set_num_threads(THREADS)
    columns = (
        "recipe",
        "model",
        "plain, ms a step",
        "convscope / plain",
        "at most",
        "8 in a batch / 8 alone",
        "at most",
    )
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for recipe, plain in PLAIN.items():
        for network in NETWORKS:
            model = Catalogue.read().load(network, device=DEVICE) if network.startswith("eff") else seeded(network)
            print(_row(recipe, plain, network, model), flush=True)


def _row(recipe: str, plain: Plain, network: str, model: Model) -> str:
    module = as_peers_have_it(model).to(memory_format=torch.contiguous_format)
    parameters = _shortened(RECIPES[recipe])
    times = in_turn(
        {
            "plain": lambda: plain(module, model, parameters),
            "alone": lambda: _made(model, [TARGET], parameters),
            "batch": lambda: _made(model, list(range(BATCH)), parameters),
        },
        rounds=ROUNDS,
        warm_up=1,
    )
    each = times["plain"] / STEPS * 1000
    ratio, batch = times["alone"] / times["plain"], times["batch"] / BATCH / times["alone"]
    return f"| {recipe} | {network} | {each:.0f} | **{ratio:.2f}** | {AT_MOST} | **{batch:.2f}** | {BATCH_AT_MOST} |"


def _shortened(recipe: Recipe) -> SynthesisParameters:
    """STEPS of it; what only its first steps do keeps its part of them."""
    whole = recipe.parameters
    first = round(whole.redirected_relu_steps * STEPS / whole.steps)
    return recipe.with_overrides({"steps": STEPS, "redirected_relu_steps": first})


def _made(model: Model, targets: list[int], parameters: SynthesisParameters) -> None:
    synthesis = class_visualization(model, targets, parameters)
    while not synthesis.over:
        synthesis.advance()
    synthesis.pictures()


def simonyan(module: nn.Module, model: Model, parameters: SynthesisParameters) -> None:
    """As tutorials have it: the network as torchvision gives it, backward() into everything, a look at each loss."""
    shape = (1, 3, model.preprocessing.height, model.preprocessing.width)
    picture = torch.zeros(shape, device=DEVICE, requires_grad=True)
    optimizer = torch.optim.SGD([picture], lr=1.0, momentum=parameters.momentum)
    losses = []
    for _ in range(parameters.steps):
        optimizer.zero_grad()
        loss = -module(picture)[0, TARGET] + 1e-3 * picture.square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())


def mordvintsev(module: nn.Module, model: Model, parameters: SynthesisParameters) -> None:
    """DeepDream's loop on a class: octaves, a rolled picture, the gradient over its mean magnitude."""
    mean, std = (torch.tensor(channels, device=DEVICE).view(1, 3, 1, 1) for channels in _normalization(model))
    picture = 10 / 255 * torch.randn(1, 3, 82, 82, device=DEVICE) + mean
    for stage in parameters.schedule():
        side = round(model.preprocessing.height * stage.scale)
        picture = F.interpolate(picture.detach(), (side, side), mode="bilinear", align_corners=False)
        for _ in range(int(stage.share)):
            picture = picture.detach().requires_grad_()
            down, right = torch.randint(-32, 33, (2,)).tolist()
            score = module((torch.roll(picture, (down, right), (2, 3)) - mean) / std)[0, TARGET]
            score.backward()
            assert picture.grad is not None
            step = 1.5 / 255 * picture.grad / picture.grad.abs().mean()
            picture = (picture + step).clamp(0, 1)
            score.item()


def olah(module: nn.Module, model: Model, parameters: SynthesisParameters) -> None:
    """Lucid's way as PyTorch ports have it, transform by transform."""
    mean, std = (torch.tensor(channels, device=DEVICE).view(1, 3, 1, 1) for channels in _normalization(model))
    side = model.preprocessing.height
    colours = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]], device=DEVICE)
    colours = colours / colours.norm(dim=0).max()
    frequencies = (torch.fft.fftfreq(side)[:, None].square() + torch.fft.rfftfreq(side)[None].square()).sqrt()
    scale = (side / frequencies.clamp_min(1 / side)).to(DEVICE)
    spectrum = (0.01 * torch.randn(1, 3, side, side // 2 + 1, 2, device=DEVICE)).requires_grad_()
    optimizer = torch.optim.Adam([spectrum], lr=parameters.step_size)
    for _ in range(parameters.steps):
        optimizer.zero_grad()
        picture = torch.fft.irfft2(torch.view_as_complex(spectrum) * scale, s=(side, side)) / 4
        picture = torch.einsum("ij,njhw->nihw", colours, picture).sigmoid()
        seen = _lucid_transforms((picture - mean) / std, side)
        score = module(seen)[0, TARGET]
        (-score).backward()
        optimizer.step()
        score.item()


def _lucid_transforms(images: Tensor, side: int) -> Tensor:
    images = F.pad(images, (12,) * 4, value=0.5)
    images = _jittered(images, 8)
    factor = 1 + (int(torch.randint(0, 11, (1,))) - 5) / 50
    images = F.interpolate(images, scale_factor=factor, mode="bilinear", align_corners=False)
    images = rotate(images, float(torch.randint(-10, 11, (1,))))
    images = _jittered(images, 4)
    return F.interpolate(images, (side, side), mode="bilinear", align_corners=False)


def _jittered(images: Tensor, most: int) -> Tensor:
    down, right = torch.randint(0, most + 1, (2,)).tolist()
    height, width = images.shape[2] - most, images.shape[3] - most
    return images[:, :, down : down + height, right : right + width]


def _normalization(model: Model) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return model.preprocessing.mean, model.preprocessing.std


PLAIN: Mapping[str, Plain] = {"simonyan2013": simonyan, "mordvintsev2015": mordvintsev, "olah2017": olah}
