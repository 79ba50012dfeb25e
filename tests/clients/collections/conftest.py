"""A server that a test leads by the hand, and both clients of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.client import (
    Client,
    Collection,
)
from tests.clients.collections.calls import CLIENTS, MODEL, Calls
from tests.clients.collections.stand_in import (
    CollectionServer,
    CollectionStandIn,
    serving_collections,
)
from tests.clients.terminal import Run, in_process


@pytest.fixture
def server() -> Iterator[CollectionServer]:
    """In place of the shared one, which has no collections."""
    with serving_collections() as server:
        yield server


@pytest.fixture
def kept(server: CollectionServer) -> CollectionStandIn:
    return server.collections


@pytest.fixture(params=CLIENTS)
def calls(request: pytest.FixtureRequest, server: CollectionServer) -> Calls:
    """Both clients, one after the other."""
    return CLIENTS[request.param](server.address)


@pytest.fixture
def client(server: CollectionServer) -> Iterator[Client]:
    with Client.connect(server.address) as client:
        yield client


@pytest.fixture
def photos(client: Client, kept: CollectionStandIn) -> Collection:
    """Six images and an index with patches of layer3."""
    name = kept.add_collection("holiday photos", images=6)
    kept.add_index(name, MODEL, "layer3")
    return client.collection(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where commands run."""
    return tmp_path


@pytest.fixture
def convscope(
    server: CollectionServer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    return in_process(server.address, folder, monkeypatch, capsys)
