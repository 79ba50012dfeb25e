"""A server with a team's own networks, whose passes a test can hold."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from convscope.client.tensors import from_array, to_array
from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeResponse
from convscope.v1.image_pb2 import Image
from convscope.v1.method_pb2 import Method
from tests.processes import ServerProcess, serving, wait_until
from tests.services.calls import SECONDS, Stubs, calling
from tests.services.team.networks import CLASSES, CURSED, GATED, SIZE

NETWORKS = Path(__file__).parent / "team"
T = TypeVar("T")
_gates = itertools.count()


LABELS = ("cat", "dog", "fox", "hen", "owl")


def entry(name: str, factory: str = "guarded", *, labels: Sequence[str] = LABELS, **arguments: object) -> str:
    """A [[models]] table of a catalogue: one of the networks of team/networks.py."""
    given = ", ".join(f"{key} = {_toml(value)}" for key, value in arguments.items())
    return f"""
[[models]]
name = "{name}"
source = "factory"
network = "networks:{factory}"
arguments = {{ {given} }}
labels = {list(labels)}
preprocessing = {{ resize = {SIZE}, height = {SIZE}, width = {SIZE} }}
seed = 5
"""


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


@contextmanager
def networks_on_path() -> Iterator[None]:
    """Within the block, servers that are started find the networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(NETWORKS), prepend=os.pathsep)
        yield


def question(number: int, model: str = "guarded", *, mark: float | None = None) -> AttributeRequest:
    """What saliency says of picture `number`, whose first value may be a mark; the number decides the class too."""
    pixels = np.random.default_rng(number).standard_normal((3, SIZE, SIZE), dtype=np.float32)
    if mark is not None:
        pixels[0, 0, 0] = mark
    return AttributeRequest(
        model=f"models/{model}",
        image=Image(preprocessed=from_array(pixels)),
        target={"class_index": number % CLASSES},
        method=Method(saliency={}),
    )


def cursed(number: int, model: str = "guarded") -> AttributeRequest:
    """A picture at which the network raises."""
    return question(number, model, mark=CURSED)


def assert_same(found: AttributeResponse, expected: AttributeResponse) -> None:
    """The same explanation, but for what float32 rounds differently in a batch of another size."""
    one, other = to_array(found.attribution), to_array(expected.attribution)
    assert other.any(), "an explanation of zeros proves nothing"
    np.testing.assert_allclose(one, other, rtol=0, atol=2e-5 * float(np.abs(other).max()))
    assert found.target.index == expected.target.index
    assert [prediction.index for prediction in found.predictions] == [
        prediction.index for prediction in expected.predictions
    ]


@dataclass
class Held:
    """A model whose executor stands still."""

    release: Callable[[], None]
    """Let it go on; harmless when called twice."""
    call: "Future[AttributeResponse]"
    """The call that holds it."""


@dataclass
class TeamServer:
    """The process, a client's stubs, and the folder of gates."""

    process: ServerProcess
    stubs: Stubs
    gates: Path
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64))

    def ask(self, number: int, model: str = "guarded") -> AttributeResponse:
        """The answer to question() of the same arguments."""
        return self.stubs.attribute(question(number, model), timeout=SECONDS)

    def send(self, request: AttributeRequest, timeout: float = SECONDS) -> "Future[AttributeResponse]":
        """Ask without waiting."""
        return self.pool.submit(self.stubs.attribute, request, timeout=timeout)

    def queued(self, model: str = "guarded") -> int:
        return int(self.process.metric("convscope_queued", model=model))

    def passes(self, model: str = "guarded") -> int:
        """How many passes have begun."""
        return int(self.process.metric("convscope_batch_size_count", model=model))

    def pictures(self, model: str = "guarded") -> int:
        """How many pictures these passes took along."""
        return int(self.process.metric("convscope_batch_size_sum", model=model))

    def wait_until_queued(self, count: int, model: str = "guarded") -> None:
        wait_until(lambda: self.queued(model) == count, f"{count} pictures in the queue of {model}")

    @contextmanager
    def held(self, model: str = "guarded") -> Iterator[Held]:
        """Within the block, or until released, the executor is in the middle of a pass with one picture."""
        number = next(_gates)
        before = self.passes(model)
        release = (self.gates / str(number)).touch
        call = self.send(question(number, model, mark=GATED + number))
        try:
            wait_until(lambda: self.passes(model) == before + 1, f"a pass of {model}")
            yield Held(release, call)
        finally:
            release()
            call.exception(timeout=SECONDS)


class Pace:
    """The passes of the network `paced`, which a test can hold."""

    def __init__(self, gates: Path) -> None:
        self._notes = gates / "passes"
        self._hold = gates / "hold"
        self._before = len(self._all())

    def sizes(self) -> list[int]:
        """How many pictures each pass has, of those that have begun since this was made."""
        return self._all()[self._before :]

    def hold_after(self, count: int) -> None:
        """From now on so many passes may go on, of those since this was made; the one after them waits."""
        draft = self._hold.with_suffix(".draft")
        draft.write_text(str(self._before + count))
        draft.rename(self._hold)

    def wait_until_held(self, place: int) -> None:
        """Until the pass behind so many has begun."""
        wait_until(lambda: len(self.sizes()) == place + 1, f"pass {place}")

    def let_go(self) -> None:
        """Hold nothing; harmless when called twice."""
        self._hold.unlink(missing_ok=True)

    def _all(self) -> list[int]:
        return [int(line) for line in self._notes.read_text().splitlines()]


@contextmanager
def team_server(folder: Path, catalogue: str, **settings: object) -> Iterator[TeamServer]:
    """A server with a catalogue of entry()s; `{gates}` in it is the folder of gates."""
    gates = folder / "gates"
    gates.mkdir(exist_ok=True)
    path = folder / "catalogue.toml"
    path.write_text(catalogue.replace("{gates}", str(gates)))
    with (
        networks_on_path(),
        serving(**{"catalogue": path, "models": "guarded", **settings}) as process,
        calling(process.address) as stubs,
    ):
        team = TeamServer(process, stubs, gates)
        with team.pool:
            yield team
