"""What the tests of the clients share: questions and the answers to compare with."""

from pathlib import Path
from typing import Any, Protocol

import pytest
import skimage
from PIL import Image

from convscope.client import Attribution, Client
from tests.clients.names import LITE
from tests.processes import ServerProcess


class Ask(Protocol):
    """client.attribute with EfficientNet-Lite0 and Grad-CAM, where the question does not say otherwise."""

    def __call__(self, image: Any, **changes: Any) -> Attribution: ...


@pytest.fixture
def ask(client: Client) -> Ask:
    def question(image: Any, **changes: Any) -> Attribution:
        return client.attribute(image, **{"model": LITE, "method": "grad_cam", **changes})

    return question


@pytest.fixture(scope="session")
def explained(server: ServerProcess, cat_path: Path) -> Attribution:
    """Grad-CAM of the cat for its top class, asked alone."""
    with Client.connect(server.address) as client:
        return client.attribute(cat_path, model=LITE, method="grad_cam")


@pytest.fixture(scope="session")
def photographs() -> dict[str, Path]:
    """Real photographs by the label that EfficientNet-Lite0 gives them."""
    data = Path(skimage.__file__).parent / "data"
    return {"tiger cat": data / "chelsea.png", "espresso": data / "coffee.png", "tripod": data / "camera.png"}


@pytest.fixture
def small_jpeg(cat: Image.Image, tmp_path: Path) -> bytes:
    """A file of two kilobytes."""
    path = tmp_path / "small.jpg"
    cat.resize((96, 64)).save(path)
    return path.read_bytes()
