"""What all tests share: one server with EfficientNet-Lite0 and ResNet-18, and real photographs."""

import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import skimage
import torch
from PIL import Image

from convscope.client import Client
from tests.processes import ServerProcess, serving

CATALOGUE = """
include_built_in = true

[[models]]
name = "resnet18_seeded"
source = "torchvision"
network = "resnet18"
seed = 1
"""


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    # A shell starts what it runs in the background with Ctrl-C ignored, and so would be every process that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in catalogue and a ResNet-18 with random weights."""
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.toml"
    path.write_text(CATALOGUE)
    return path


@pytest.fixture(scope="session")
def server(catalogue: Path) -> Iterator[ServerProcess]:
    """One attribution server for all tests that leave it as it was."""
    with serving(catalogue=catalogue, models="efficientnet_lite0,resnet18_seeded") as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with Client.connect(server.address) as client:
        yield client


@pytest.fixture(scope="session")
def words_server() -> Iterator[ServerProcess]:
    """One attribution server with the three networks of the small world."""
    with serving(models="shapes_classifier,shapes_captioner,shapes_vqa") as process:
        yield process


@pytest.fixture(scope="session")
def cat_path() -> Path:
    """Chelsea, 451 x 300, a cat that fills the picture."""
    return Path(skimage.__file__).parent / "data" / "chelsea.png"


@pytest.fixture(scope="session")
def cat(cat_path: Path) -> Image.Image:
    return Image.open(cat_path).convert("RGB")


@pytest.fixture(scope="session")
def cat_jpeg(cat: Image.Image) -> bytes:
    file = BytesIO()
    cat.save(file, "JPEG", quality=95)
    return file.getvalue()
