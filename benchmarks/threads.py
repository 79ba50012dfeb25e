"""Explanations asked for by many threads at once: how many are not what one thread alone gets."""

import threading
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from captum.attr import Deconvolution, GuidedBackprop, LayerGradCam, Saliency
from torch import Tensor

from benchmarks.networks import TARGET, as_peers_have_it, random_images, seeded
from convscope.engine import attribute

CALLERS = 16
CALLS = 20 * CALLERS
TOLERANCE = 1e-4
NETWORK = "resnet18"


def run() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Setting backward hooks")
    model = seeded(NETWORK)
    peers = as_peers_have_it(model)
    layer = model.layers.spatial(None)
    saliency, guided, deconvolution = Saliency(peers), GuidedBackprop(peers), Deconvolution(peers)
    cam = LayerGradCam(peers, peers.get_submodule(layer))
    captum: dict[str, Callable[[Tensor], Tensor]] = {
        "saliency": lambda images: saliency.attribute(images.clone().requires_grad_(), target=TARGET),
        "guided_backprop": lambda images: guided.attribute(images.clone().requires_grad_(), target=TARGET),
        "deconvnet": lambda images: deconvolution.attribute(images.clone().requires_grad_(), target=TARGET),
        "grad_cam": lambda images: cam.attribute(images, target=TARGET, relu_attributions=True),
    }
    ours: dict[str, Callable[[Tensor], Tensor]] = {
        name: lambda images, name=name: attribute(model.module, images, TARGET, name)  # type: ignore[misc]
        for name in captum
    }
    print(f"{CALLERS} threads, {CALLS} calls, four methods mixed on one {NETWORK}.\n")
    print("| whose objects | wrong | raised | right |")
    print("|---|---|---|---|")
    for whose, methods in {"Captum": captum, "convscope.engine": ours}.items():
        outcomes = _outcomes(methods)
        print(f"| {whose} | {outcomes['wrong']} | {outcomes['raised']} | {outcomes['right']} |", flush=True)


def _outcomes(methods: dict[str, Callable[[Tensor], Tensor]]) -> Counter[str]:
    pictures = [random_images(1) for _ in range(4)]
    lone = {
        (name, number): methods[name](picture).detach() for name in methods for number, picture in enumerate(pictures)
    }
    asked = [list(lone)[call % len(lone)] for call in range(CALLS)]
    together = threading.Barrier(CALLERS)

    def ask(name: str, number: int) -> str:
        together.wait()  # so that calls begin at once, as many times over as there are calls for every thread
        try:
            found = methods[name](pictures[number]).detach()
        except Exception:  # whatever a peer raises is what is counted
            return "raised"
        expected = lone[name, number]
        error = float((found - expected).abs().max() / expected.abs().max())
        return "right" if error <= TOLERANCE else "wrong"

    with ThreadPoolExecutor(CALLERS) as pool:
        return Counter(pool.map(lambda question: ask(*question), asked))
