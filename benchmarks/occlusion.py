"""Occlusion beside Captum's with its best number of perturbations at once."""

from collections.abc import Callable

import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from benchmarks.machine import THREADS
from benchmarks.networks import TARGET, as_peers_have_it, random_images, seeded
from benchmarks.timing import in_turn
from convscope.engine import attribute

# Most that it may cost, as a ratio to Captum's best on the network as torchvision gives it, channels first.
BOUNDS = {"resnet18": 0.4, "vgg16": 0.2}
WINDOW, STRIDE = 32, 16
AT_ONCE = (1, 8, 16, 32)
ROUNDS = 2


def run() -> None:
    torch.set_num_threads(THREADS)
    print(f"Window {WINDOW}, stride {STRIDE}, 169 windows.\n")
    print(
        "| model | Captum, s | at once | convscope, s | convscope / Captum | at most | over Captum in channels last "
        "| largest difference |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for network, bound in BOUNDS.items():
        print(_row(network, bound), flush=True)


def _row(network: str, bound: float) -> str:
    model = seeded(network)
    module, images = model.variant("float32"), random_images(1)
    last = as_peers_have_it(model)
    first = as_peers_have_it(model).to(memory_format=torch.contiguous_format)

    def ours() -> Tensor:
        return attribute(module, images, TARGET, "occlusion", window=WINDOW, stride=STRIDE, fill="zero")

    def by_captum(at_once: int) -> Callable[[], object]:
        return lambda: _captum(first, images.contiguous(), at_once)

    tried = in_turn({str(count): by_captum(count) for count in AT_ONCE}, rounds=1, warm_up=0)
    best = int(min(tried, key=lambda name: tried[name]))
    ways = {"first": by_captum(best), "last": lambda: _captum(last, images, best), "ours": ours}
    times = in_turn(ways, rounds=ROUNDS, warm_up=1)
    expected = _captum(first, images.contiguous(), best)[:, :1]
    difference = float((ours() - expected).abs().max() / expected.abs().max())
    ratio, ratio_last = (times["ours"] / times[layout] for layout in ("first", "last"))
    return (
        f"| {network} | {times['first']:.1f} | {best} | {times['ours']:.1f} | **{ratio:.2f}** | {bound} "
        f"| {ratio_last:.2f} | {difference:.0e} |"
    )


@torch.no_grad()
def _captum(peers: nn.Module, images: Tensor, at_once: int) -> Tensor:
    occlusion = Occlusion(lambda pictures: peers(pictures).softmax(dim=1))
    found: Tensor = occlusion.attribute(
        images, (3, WINDOW, WINDOW), (3, STRIDE, STRIDE), target=TARGET, perturbations_per_eval=at_once
    )
    return found
