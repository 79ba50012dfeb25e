"""The machine of a server vanishes from the network: packets are lost, and nobody says so."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from convscope.client import Attribution, Client, ClientError
from tests.chaos.namespace import Namespace, namespace
from tests.chaos.questions import Explain, same_attribution
from tests.processes import ServerProcess, wait_until
from tests.services.held import entry, networks_on_path

QUESTION = Explain("guarded", "saliency", 1, 2)
# The kernel gives a connection up after so long on which nothing is acknowledged (gRPC's keepalive timeout).
NOTICED_SECONDS = 20.0
CALLERS = 8


@dataclass
class Pair:
    """Two servers, one of them behind a cable."""

    cable: Namespace
    near: ServerProcess
    far: ServerProcess
    client: Client

    def ask(self) -> tuple[float, Attribution | ClientError]:
        """What comes of a call, and after how many seconds."""
        begun = time.monotonic()
        try:
            answer: Attribution | ClientError = QUESTION.ask(self.client, timeout=30)
        except ClientError as error:
            answer = error
        return time.monotonic() - begun, answer

    def answered(self, server: ServerProcess) -> float:
        return server.metric("convscope_answers_total", method="saliency")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(entry("guarded", gates=str(tmp_path)))
    settings: dict[str, object] = {"catalogue": catalogue, "models": "guarded", "device": "cpu"}
    with namespace() as cable, networks_on_path():
        near = ServerProcess(**settings)
        with cable.entered():
            far = ServerProcess(**settings, host=cable.address)
        far.metrics_url = far.metrics_url.replace("127.0.0.1", cable.address)
        try:
            targets = [server.wait_until_serving().address for server in (near, far)]
            with Client.connect("ipv4:" + ",".join(targets)) as client:
                yield Pair(cable, near, far, client)
        finally:
            cable.plug()
            for server in (near, far):
                server.kill()


@pytest.mark.slow
@pytest.mark.skipif("CONVSCOPE_CHAOS_SECONDS" not in os.environ, reason="`make chaos` has the time for it")
def test_no_call_fails_and_calls_go_to_the_other_server_until_it_is_back(pair: Pair) -> None:
    wait_until(lambda: pair.ask() and pair.answered(pair.near) and pair.answered(pair.far), "both to answer")
    _, expected = pair.ask()
    assert isinstance(expected, Attribution)
    pair.cable.unplug()
    with ThreadPoolExecutor(CALLERS) as pool:
        outcomes = list(pool.map(lambda _: pair.ask(), range(CALLERS)))
    for _, answer in outcomes:
        assert isinstance(answer, Attribution), answer
        same_attribution(answer, expected)
    assert max(seconds for seconds, _ in outcomes) < NOTICED_SECONDS + 8
    assert max(pair.ask()[0] for _ in range(10)) < 1, "nobody is sent there any more"
    pair.cable.plug()
    before = pair.answered(pair.far)
    wait_until(lambda: pair.ask() and pair.answered(pair.far) > before, "calls to go there again")
