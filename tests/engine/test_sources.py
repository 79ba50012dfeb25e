"""EfficientNet-Lite in our plain layout is the published network."""

from collections.abc import Callable

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

from convscope.engine.models.model import Model
from convscope.engine.models.sources.efficientnet_lite import published_weights
from tests.engine.rounding import assert_same_but_rounding

NETWORKS = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_plain_layout_gives_the_packages_own_scores(name: str, load: Callable[[str], Model]) -> None:
    variant = name.removeprefix("efficientnet_")
    package = EfficientNet.from_name(f"efficientnet-{variant}").eval()
    package.load_state_dict(torch.load(published_weights(variant), weights_only=True))
    model = load(name)
    size = NETWORKS[name]
    assert (model.preprocessing.height, model.preprocessing.width) == (size, size)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert_same_but_rounding(model.module(images), package(images))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_cat_is_a_cat(name: str, load: Callable[[str], Model], photographs: dict[str, Image.Image]) -> None:
    model = load(name)
    pixels, _ = model.preprocessing.crop(photographs["chelsea"])
    with torch.no_grad():
        probabilities = model.module(model.preprocessing.normalize(pixels.unsqueeze(0))).softmax(dim=1)[0]
    top = int(probabilities.argmax())
    assert top in range(281, 286), model.labels[top]
    assert probabilities[281:286].sum() > 0.5


@pytest.mark.parametrize("name", NETWORKS)
def test_every_activation_outside_the_blocks_is_a_layer_of_its_own(name: str, load: Callable[[str], Model]) -> None:
    calls = {layer.name: layer.calls for layer in load(name).layers.layers if not layer.name.startswith("blocks.")}
    assert set(calls.values()) == {1}
    assert {"stem.activation", "head.activation", "stem", "blocks", "head", "pool", "classifier"} <= set(calls)
