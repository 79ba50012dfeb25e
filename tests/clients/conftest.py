"""What the tests of the clients share: questions and the answers to compare with."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import skimage
from PIL import Image

from convscope.client import AsyncClient, Attribution, Client, Comparison, FailureAnalysis
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


class Either(Protocol):
    """The methods of Client, carried out by one of the two clients; for every call a client of its own."""

    def attribute(self, image: Any, **how: Any) -> Attribution: ...

    def compare(self, image: Any, variants: Any, **how: Any) -> Comparison: ...

    def analyze_failure(self, image: Any, truth: Any, **how: Any) -> FailureAnalysis: ...


class Synchronous:
    """Client."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with Client.connect(self._address) as client:
                return getattr(client, method)(*arguments, **options)

        return call


class Asynchronous:
    """AsyncClient, in an event loop of its own."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __getattr__(self, method: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **options: Any) -> Any:
            async with AsyncClient.connect(self._address) as client:
                return await getattr(client, method)(*arguments, **options)

        return lambda *arguments, **options: asyncio.run(call(*arguments, **options))


CLIENTS: dict[str, Callable[[str], Any]] = {"Client": Synchronous, "AsyncClient": Asynchronous}


@pytest.fixture(params=CLIENTS)
def either(request: pytest.FixtureRequest, server: ServerProcess) -> Either:
    """Both clients, one after the other."""
    made: Either = CLIENTS[request.param](server.address)
    return made


@pytest.fixture(scope="package")
def explained(server: ServerProcess, cat_path: Path) -> Attribution:
    """Grad-CAM of the cat for its top class, asked alone."""
    with Client.connect(server.address) as client:
        return client.attribute(cat_path, model=LITE, method="grad_cam")


@pytest.fixture(scope="package")
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
