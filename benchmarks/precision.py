"""What folded batch norm and bfloat16 save, and what bfloat16 costs each method in exactness."""

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from benchmarks.machine import DEVICE, THREADS
from benchmarks.networks import TARGET, random_images, seeded
from benchmarks.pictures import cat_input
from benchmarks.timing import in_turn
from convscope.engine import attribute
from convscope.engine.attribution.methods import METHODS
from convscope.engine.errors import MethodUnsupported
from convscope.engine.models.catalogue import Catalogue

NETWORKS = ("resnet18", "resnet50", "densenet121", "vgg16")
BATCH = 8
AT_MOST = 0.7
ROUNDS = 6
SHORT = {"steps": 16, "samples": 16, "masks": 128}


def run() -> None:
    torch.set_num_threads(THREADS)
    print(f"Over the bare float32 pass of the network as torchvision builds it, channels last, batch {BATCH}.\n")
    print("| model | bare pass, ms | folded pass | bfloat16 pass | Grad-CAM, folded | Grad-CAM, bfloat16 | at most |")
    print("|---|---|---|---|---|---|---|")
    for network in NETWORKS:
        print(_speeds(network), flush=True)
    print("\nbfloat16 against float32: EfficientNet-Lite0, a cat, the target tabby.\n")
    print("| method | largest difference, of the map's largest value | rank correlation |")
    print("|---|---|---|")
    model = Catalogue.read().load("efficientnet_lite0", device=DEVICE)
    images = cat_input(model)
    exact, short = model.variant("float32"), model.variant("bfloat16")
    for method in METHODS:
        print(_deviation(method, exact, short, images), flush=True)


def _speeds(network: str) -> str:
    model = seeded(network)
    layer = model.layers.spatial(None)
    images = random_images(BATCH)
    folded, short = model.variant("float32", [layer]), model.variant("bfloat16", [layer])

    def bare(module: nn.Module) -> Tensor:
        with torch.no_grad():
            scores: Tensor = module(images)
        return scores

    times = in_turn(
        {
            "bare": lambda: bare(model.module),
            "folded": lambda: bare(folded),
            "short": lambda: bare(short),
            "cam folded": lambda: attribute(folded, images, TARGET, "grad_cam"),
            "cam short": lambda: attribute(short, images, TARGET, "grad_cam"),
        },
        rounds=ROUNDS,
    )
    shares = " | ".join(f"{times[way] / times['bare']:.2f}" for way in ("folded", "short", "cam folded"))
    best = times["cam short"] / times["bare"]
    return f"| {network} | {times['bare'] * 1000:.0f} | {shares} | **{best:.2f}** | {AT_MOST} |"


def _deviation(method: str, exact: nn.Module, short: nn.Module, images: Tensor) -> str:
    fields = METHODS[method].parameters.model_fields
    parameters = {name: value for name, value in SHORT.items() if name in fields}
    try:
        one, other = (
            attribute(module, images, TARGET, method, **parameters).double().cpu().numpy() for module in (exact, short)
        )
    except MethodUnsupported as error:
        return f"| {method} | {error.message} | |"
    difference = np.abs(one - other).max() / np.abs(one).max()
    return f"| {method} | {difference:.1%} | {spearmanr(one.ravel(), other.ravel()).statistic:.3f} |"
