"""Occlusion beside Captum's with its best number of perturbations at once."""

import torch
from captum.attr import Occlusion
from torch import Tensor

from benchmarks.machine import THREADS
from benchmarks.networks import TARGET, as_peers_have_it, random_images, seeded
from benchmarks.timing import in_turn
from convscope.engine import attribute

# Most that it may cost, as a ratio to Captum's best.
BOUNDS = {"vgg16": 0.2, "resnet18": 0.4, "resnet50": None, "densenet121": None, "alexnet": None}
WINDOW, STRIDE = 32, 16
AT_ONCE = (1, 8, 16, 32)
ROUNDS = 3


def run() -> None:
    torch.set_num_threads(THREADS)
    print(f"Window {WINDOW}, stride {STRIDE}, 169 windows.\n")
    print("| model | Captum, s | at once | convscope, s | convscope / Captum | at most | largest difference |")
    print("|---|---|---|---|---|---|---|")
    for network, bound in BOUNDS.items():
        print(_row(network, bound), flush=True)


def _row(network: str, bound: float | None) -> str:
    model = seeded(network)
    module, peers, images = model.variant("float32"), as_peers_have_it(model), random_images(1)
    captum = Occlusion(lambda pictures: peers(pictures).softmax(dim=1))

    def by_captum(at_once: int) -> Tensor:
        with torch.no_grad():
            found: Tensor = captum.attribute(
                images, (3, WINDOW, WINDOW), (3, STRIDE, STRIDE), target=TARGET, perturbations_per_eval=at_once
            )
        return found

    def ours() -> Tensor:
        return attribute(module, images, TARGET, "occlusion", window=WINDOW, stride=STRIDE, fill="zero")

    each = in_turn({str(count): lambda count=count: by_captum(count) for count in AT_ONCE}, rounds=1, warm_up=1)  # type: ignore[misc]
    best = int(min(each, key=lambda name: each[name]))
    times = in_turn({"captum": lambda: by_captum(best), "ours": ours}, rounds=ROUNDS, warm_up=1)
    expected = by_captum(best)[:, :1]
    difference = float((ours() - expected).abs().max() / expected.abs().max())
    ratio = times["ours"] / times["captum"]
    return (
        f"| {network} | {times['captum']:.1f} | {best} | {times['ours']:.1f} | **{ratio:.2f}** | {bound or ''} "
        f"| {difference:.0e} |"
    )
