"""Networks and photographs, loaded once a session."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import skimage
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.model import Model

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
)
PUBLISHED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


@pytest.fixture(scope="session")
def load() -> Callable[[str], Model]:
    """Load a network: those of torchvision with random weights, EfficientNet-Lite with the published ones."""
    built_in = Catalogue.read()
    entries = {name: Entry(name=name, source="torchvision", network=name, seed=7) for name in RANDOM}
    return cache(Catalogue(entries | {name: built_in[name] for name in PUBLISHED}).load)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def inputs(photographs: dict[str, Image.Image]) -> Callable[[Model], Tensor]:
    """Three photographs as a network expects them, the cat first: [3, 3, H, W]."""

    def preprocess(model: Model) -> Tensor:
        crops = [model.preprocessing.crop(photographs[name])[0] for name in ("chelsea", "coffee", "rocket")]
        return model.preprocessing.normalize(torch.stack(crops))

    return preprocess
