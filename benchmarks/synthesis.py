"""The loop of class visualisation beside the plain recipe that a user would write, and classes in one batch."""

import torch
from torch import nn

from benchmarks.machine import DEVICE, THREADS
from benchmarks.networks import TARGET, as_peers_have_it, seeded
from benchmarks.timing import in_turn
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.parameters import ClassVisualizationParameters

NETWORKS = ("efficientnet_lite0", "resnet18", "resnet50", "vgg16")
STEPS, BATCH, ROUNDS = 20, 8, 3
AT_MOST = 0.8


def run() -> None:
    torch.set_num_threads(THREADS)
    print("| model | plain recipe, ms a step | convscope / plain | at most | a class in a batch of 8 / alone |")
    print("|---|---|---|---|---|")
    for network in NETWORKS:
        model = Catalogue.read().load(network, device=DEVICE) if network.startswith("eff") else seeded(network)
        print(_row(network, model), flush=True)


def _row(network: str, model: Model) -> str:
    plain = as_peers_have_it(model).to(memory_format=torch.contiguous_format)
    parameters = ClassVisualizationParameters(steps=STEPS)
    times = in_turn(
        {
            "plain": lambda: plain_recipe(plain, model, parameters),
            "alone": lambda: _made(model, [TARGET], parameters),
            "batch": lambda: _made(model, list(range(BATCH)), parameters),
        },
        rounds=ROUNDS,
        warm_up=1,
    )
    each = times["plain"] / STEPS * 1000
    ratio, batch = times["alone"] / times["plain"], times["batch"] / BATCH / times["alone"]
    return f"| {network} | {each:.0f} | **{ratio:.2f}** | {AT_MOST} | {batch:.2f} |"


def _made(model: Model, targets: list[int], parameters: ClassVisualizationParameters) -> None:
    synthesis = class_visualization(model, targets, parameters)
    while synthesis.step < synthesis.total:
        synthesis.advance()
    synthesis.pictures()


def plain_recipe(module: nn.Module, model: Model, parameters: ClassVisualizationParameters) -> None:
    """As tutorials have it: the network as torchvision gives it, backward() into everything, a look at each loss."""
    shape = (1, 3, model.preprocessing.height, model.preprocessing.width)
    picture = torch.zeros(shape, device=DEVICE, requires_grad=True)
    optimizer = torch.optim.SGD([picture], lr=parameters.step_size, momentum=parameters.momentum)
    losses = []
    for _ in range(parameters.steps):
        optimizer.zero_grad()
        loss = -module(picture)[0, TARGET] + parameters.l2 * picture.square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
