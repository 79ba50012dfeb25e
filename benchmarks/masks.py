"""Score-CAM beside pytorch-grad-cam's, and RISE beside a plain loop."""

from collections.abc import Mapping

import torch
from pytorch_grad_cam import ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from benchmarks.machine import THREADS
from benchmarks.networks import TARGET, as_peers_have_it, random_images, seeded
from benchmarks.timing import in_turn
from convscope.engine import attribute
from convscope.engine.attribution.rise import RandomMasks, RiseParameters
from convscope.engine.models.model import Model

NETWORKS = ("resnet18",)
MASKS = 128
AT_MOST = 0.7
ROUNDS = 2


def run() -> None:
    torch.set_num_threads(THREADS)
    print("| method | model | the peer | the peer, s | convscope / the peer | at most |")
    print("|---|---|---|---|---|---|")
    for network in NETWORKS:
        model = seeded(network)
        print(_score_cam(network, model), flush=True)
        print(_rise(network, model), flush=True)


def _score_cam(network: str, model: Model) -> str:
    plain, module, images = _plain(model), model.variant("float32"), random_images(1)
    layer = plain.get_submodule(model.layers.spatial(None))
    with ScoreCAM(model=plain, target_layers=[layer]) as cam:
        times = in_turn(
            {
                "peer": lambda: cam(images.contiguous(), [ClassifierOutputTarget(TARGET)]),
                "ours": lambda: attribute(module, images, TARGET, "score_cam"),
            },
            rounds=ROUNDS,
            warm_up=1,
        )
    return _row("score_cam", network, "pytorch-grad-cam", times)


def _rise(network: str, model: Model) -> str:
    plain, module, images = _plain(model), model.variant("float32"), random_images(1)
    times = in_turn(
        {
            "peer": lambda: plain_rise(plain, images.contiguous()),
            "ours": lambda: attribute(module, images, TARGET, "rise", masks=MASKS),
        },
        rounds=ROUNDS,
        warm_up=1,
    )
    return _row(f"rise, {MASKS} masks", network, "a plain loop", times)


def _plain(model: Model) -> nn.Module:
    """The network in the layout that torchvision gives it."""
    return as_peers_have_it(model).to(memory_format=torch.contiguous_format)


@torch.no_grad()
def plain_rise(module: nn.Module, images: Tensor) -> Tensor:
    """One mask after the other."""
    masks = RandomMasks(RiseParameters(masks=MASKS), images)
    total = torch.zeros_like(images[:, :1])
    for number in range(MASKS):
        mask = masks.take([number])
        total += module(images * mask).softmax(dim=1)[0, TARGET] * mask
    return total / (MASKS * 0.5)


def _row(method: str, network: str, peer: str, times: Mapping[str, float]) -> str:
    ratio = times["ours"] / times["peer"]
    return f"| {method} | {network} | {peer} | {times['peer']:.1f} | **{ratio:.2f}** | {AT_MOST} |"
