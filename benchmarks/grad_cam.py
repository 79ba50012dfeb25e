"""Grad-CAM over a bare forward pass; beside Captum and pytorch-grad-cam on the same inputs."""

import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from benchmarks.machine import THREADS
from benchmarks.networks import TARGET, as_peers_have_it, random_images, seeded
from benchmarks.timing import in_turn
from convscope.engine import attribute

# Most that Grad-CAM may cost, as a ratio to the bare pass.
BOUNDS = {"resnet18": 1.15, "resnet50": 1.15, "densenet121": 1.15, "vgg16": 1.35}
ROUNDS = 20


def run() -> None:
    torch.set_num_threads(THREADS)
    print("| model | batch | bare pass, ms | Grad-CAM / bare | at most | Captum / bare | pytorch-grad-cam / bare |")
    print("|---|---|---|---|---|---|---|")
    for name, bound in BOUNDS.items():
        for batch in (1, 8):
            print(_row(name, batch, bound), flush=True)


def _row(name: str, batch: int, bound: float) -> str:
    model = seeded(name)
    layer = model.layers.spatial(None)
    images = random_images(batch)
    peers = as_peers_have_it(model)
    captum = LayerGradCam(peers, peers.get_submodule(layer))

    @torch.no_grad()
    def bare() -> object:
        return model.module(images)

    def ours() -> object:
        return attribute(model.module, images, TARGET, "grad_cam")

    def by_captum() -> object:
        return captum.attribute(images, TARGET, relu_attributions=True)

    with GradCAM(model=peers, target_layers=[peers.get_submodule(layer)]) as cam:

        def by_pytorch_grad_cam() -> object:
            return cam(images, [ClassifierOutputTarget(TARGET)] * batch)

        ways = {"bare": bare, "ours": ours, "captum": by_captum, "pytorch-grad-cam": by_pytorch_grad_cam}
        times = in_turn(ways, rounds=ROUNDS if batch == 1 else ROUNDS // 4)
    ratios = [times[way] / times["bare"] for way in ("ours", "captum", "pytorch-grad-cam")]
    ours_over, captum_over, pytorch_grad_cam_over = (f"{ratio:.2f}" for ratio in ratios)
    return (
        f"| {name} | {batch} | {times['bare'] * 1000:.1f} | **{ours_over}** | {bound} | {captum_over} "
        f"| {pytorch_grad_cam_over} |"
    )
