"""Gradient methods beside Captum's on the same inputs."""

import warnings
from collections.abc import Callable

import torch
from captum.attr import Deconvolution, GuidedBackprop, IntegratedGradients, Saliency
from torch import Tensor, nn

from benchmarks.machine import THREADS
from benchmarks.networks import TARGET, as_peers_have_it, random_images, seeded
from benchmarks.timing import in_turn
from convscope.engine import attribute

NETWORKS = ("resnet18", "resnet50", "densenet121", "vgg16")
STEPS = 32
AT_MOST = 1.0
ROUNDS = 12


def run() -> None:
    torch.set_num_threads(THREADS)
    warnings.filterwarnings("ignore", message="Setting backward hooks")
    print("| method | model | batch | Captum, ms | convscope / Captum | at most |")
    print("|---|---|---|---|---|---|")
    for network in NETWORKS:
        model = seeded(network)
        peers = as_peers_have_it(model)
        for batch in (1, 8):
            images = random_images(batch)
            for method, captum in _captums(peers).items():
                print(_row(method, network, model.module, images, captum), flush=True)
        images = random_images(1)
        integrated = IntegratedGradients(peers)

        def by_captum(images: Tensor, integrated: IntegratedGradients = integrated) -> object:
            return integrated.attribute(
                images, target=TARGET, n_steps=STEPS, internal_batch_size=16, return_convergence_delta=True
            )

        print(_row("integrated_gradients", network, model.module, images, by_captum, steps=STEPS), flush=True)


def _captums(peers: nn.Module) -> dict[str, Callable[[Tensor], object]]:
    saliency, guided, deconvolution = Saliency(peers), GuidedBackprop(peers), Deconvolution(peers)
    return {
        "saliency": lambda images: saliency.attribute(images.clone().requires_grad_(), target=TARGET),
        "guided_backprop": lambda images: guided.attribute(images.clone().requires_grad_(), target=TARGET),
        "deconvnet": lambda images: deconvolution.attribute(images.clone().requires_grad_(), target=TARGET),
    }


def _row(
    method: str, network: str, module: nn.Module, images: Tensor, captum: Callable[[Tensor], object], **parameters: int
) -> str:
    ways = {
        "captum": lambda: captum(images),
        "ours": lambda: attribute(module, images, TARGET, method, **parameters),
    }
    small = len(images) == 1 and not parameters
    times = in_turn(ways, rounds=ROUNDS if small else ROUNDS // 3, warm_up=2 if small else 1)
    ratio = times["ours"] / times["captum"]
    return f"| {method} | {network} | {len(images)} | {times['captum'] * 1000:.0f} | **{ratio:.2f}** | {AT_MOST} |"
