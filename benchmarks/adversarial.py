"""PGD beside foolbox's, on the labelled ImageNet pictures that foolbox ships."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from foolbox.attacks import LinfPGD
from foolbox.criteria import TargetedMisclassification
from foolbox.models.pytorch import PyTorchModel
from foolbox.utils import samples
from PIL import Image
from torch import Tensor

from benchmarks.machine import DEVICE, THREADS
from benchmarks.networks import as_peers_have_it
from benchmarks.timing import in_turn
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.synthesis.adversarial import adversarial
from convscope.engine.synthesis.parameters import AdversarialParameters

PICTURES, ROUNDS = 20, 3
STEPS, EPSILON, STEP_SIZE = 40, 8 / 255, 2 / 255
# Steps go on until the class has this probability: foolbox's always take all.
CONFIDENCES = (0.0, 0.99)
AT_MOST = 0.8


def run() -> None:
    torch.set_num_threads(THREADS)
    loaded = Catalogue.read().load("efficientnet_lite0", device=DEVICE)
    # Foolbox attacks what the network takes; so that both attack the same, nothing is scaled or cropped.
    model = replace(loaded, preprocessing=loaded.preprocessing.model_copy(update={"resize": 224}))
    peer, images, targets = _questions(model)
    fooled: dict[str, int] = {}

    def theirs() -> None:
        attack = LinfPGD(abs_stepsize=STEP_SIZE, steps=STEPS)
        found = [
            attack(peer, image[None], TargetedMisclassification(target[None]), epsilons=EPSILON)[2]
            for image, target in zip(images, targets, strict=True)
        ]
        fooled["foolbox"] = sum(int(one) for one in found)

    def ours(confidence: float) -> None:
        fooled[str(confidence)] = _fooled(model, images, targets.tolist(), confidence)

    ways: dict[str, Any] = {"foolbox": theirs}
    ways |= {str(confidence): lambda confidence=confidence: ours(confidence) for confidence in CONFIDENCES}
    times = in_turn(ways, rounds=ROUNDS, warm_up=0)
    print("| targeted PGD, L-inf 8/255, 40 steps | of 20 fooled | s a picture | over foolbox | at most |")
    print("|---|---|---|---|---|")
    print(f"| foolbox | {fooled['foolbox']} | {times['foolbox'] / PICTURES:.2f} | | |")
    for confidence in map(str, CONFIDENCES):
        ratio = times[confidence] / times["foolbox"]
        row = f"{fooled[confidence]} | {times[confidence] / PICTURES:.2f} | **{ratio:.2f}** | {AT_MOST}"
        print(f"| convscope, until {confidence} | {row} |")


def _questions(model: Model) -> tuple[PyTorchModel, Tensor, Tensor]:
    """Foolbox's view of the network, its pictures, 0 to 1, in whole levels, and a class for each that it is not."""
    size = model.preprocessing
    normalization = {"mean": list(size.mean), "std": list(size.std), "axis": -3}
    peer = PyTorchModel(as_peers_have_it(model), bounds=(0, 1), preprocessing=normalization, device=DEVICE)
    images, labels = samples(peer, dataset="imagenet", batchsize=PICTURES)
    return peer, (images * 255).round() / 255, (labels + 500) % 1000


def _fooled(model: Model, images: Tensor, targets: Sequence[int], confidence: float) -> int:
    """How many of the files that are made are taken for their class."""
    parameters = AdversarialParameters(epsilon=EPSILON, steps=STEPS, step_size=STEP_SIZE, confidence=confidence)
    count = 0
    for image, target in zip(images, targets, strict=True):
        levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        attack = adversarial(model, Image.fromarray(levels), target, parameters)
        while not attack.over:
            attack.advance()
        count += attack.outcome()["after"][0]["index"] == target
    return count
