"""Networks and photographs, loaded once a session."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import skimage
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.model import Model
from tests.engine.reference import (
    RELUS,
    SUGGESTED,
    TARGETS,
    Inputs,
    Load,
    Modified,
    Rule,
    Shown,
    Shows,
    gradients_by,
    show,
)
from tests.engine.scanned import FULL_SIZE, forget, precise

RANDOM = (
    "alexnet",
    "vgg16",
    "resnet18",
    "resnet50",
    "resnet101",
    "densenet121",
    "googlenet",
    "inception_v3",
    "squeezenet1_1",
    "vit_b_16",
    "swin_t",
)
PUBLISHED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


@pytest.fixture(scope="package")
def load() -> Iterator[Load]:
    """Load a network: those of torchvision with random weights, EfficientNet-Lite with the published ones."""
    built_in = Catalogue.read()
    entries = {name: Entry(name=name, source="torchvision", network=name, seed=7) for name in RANDOM}
    # Its own random weights shrink what passes to 1e-15, where rounding decides which ReLUs are open.
    entries["googlenet"] = entries["googlenet"].model_copy(update={"arguments": {"init_weights": False}})
    catalogue = Catalogue(entries | {name: built_in[name] for name in PUBLISHED})

    @cache
    def load(name: str) -> Model:
        model = catalogue.load(name)
        if name == "vit_b_16":  # torchvision begins with a head of zeros, which explains nothing
            head = model.module.get_submodule("heads.head")
            assert isinstance(head, nn.Linear)
            nn.init.normal_(head.weight, std=0.02, generator=torch.Generator().manual_seed(7))
        return model

    yield load
    forget()


@pytest.fixture(scope="package")
def photographs() -> dict[str, Image.Image]:
    """Landscape, portrait and square; upright RGB."""
    folder = Path(skimage.__file__).parent / "data"
    files = {"chelsea": "chelsea.png", "coffee": "coffee.png", "rocket": "rocket.jpg"}
    pictures = {name: Image.open(folder / file).convert("RGB") for name, file in files.items()}
    pictures["china"] = Image.fromarray(load_sample_image("china.jpg"))
    pictures["rocket, portrait"] = pictures["rocket"].transpose(Image.Transpose.ROTATE_90)
    pictures["china, portrait"] = pictures["china"].crop((100, 0, 351, 427))
    pictures["coffee, square"] = pictures["coffee"].crop((50, 0, 450, 400))
    return pictures


@pytest.fixture(scope="package")
def inputs(photographs: dict[str, Image.Image]) -> Callable[[Model], Tensor]:
    """Three photographs as a network expects them, the cat first: [3, 3, H, W]."""

    def preprocess(model: Model) -> Tensor:
        crops = [model.preprocessing.crop(photographs[name])[0] for name in ("chelsea", "coffee", "rocket")]
        return model.preprocessing.normalize(torch.stack(crops))

    return preprocess


@pytest.fixture(scope="package")
def shown(load: Load, inputs: Inputs) -> Shows:
    """What the pictures of precise() show in a network, for the TARGETS."""

    @cache
    def shown(network: str) -> list[Shown]:
        module, images = precise(network, load, inputs)
        pairs = zip(images, TARGETS, strict=True)
        return [show(module, SUGGESTED[network], image, target) for image, target in pairs]

    return shown


@pytest.fixture(scope="package")
def shown_at_full_size(load: Load, inputs: Inputs) -> Shows:
    """What the first two photographs show in float32 in one of FULL_SIZE, for the TARGETS.

    Behind their suggested layers comes no ReLU, whose kinks precise() tells of: the activation and its gradient are
    good for a comparison, the gradient by the pixels is not.
    """

    @cache
    def shown(network: str) -> list[Shown]:
        assert network in FULL_SIZE
        model = load(network)
        pairs = zip(inputs(model)[:2], TARGETS, strict=True)
        return [show(model.module, SUGGESTED[network], image, target) for image, target in pairs]

    return shown


@pytest.fixture(scope="package")
def modified(load: Load, inputs: Inputs) -> Modified:
    """The gradient of the pictures of precise() by a backward rule, for the TARGETS: [2, 3, H, W]."""

    @cache
    def modified(network: str, rule: Rule) -> Tensor:
        return gradients_by(rule, *precise(network, load, inputs), relus=RELUS[network])

    return modified
