"""One server with a team's own networks, and bare stubs, for all tests of the attribution server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from tests.processes import ServerProcess
from tests.services.bench import Bench
from tests.services.calls import Stubs, calling
from tests.services.held import Pace, TeamServer, entry, team_server

TEAM = (
    entry("guarded", gates="{gates}")
    + entry("light", gates="{gates}", carries=2, labels=("crane", "cat", "dog", "crane", "owl"))
    + entry("spare", gates="{gates}")
    + entry("broken", "broken", message="no such luck")
    + entry("wordy", "broken", message="猫" * 5000)
    + entry("late", "late", gates="{gates}", gate="its time")
    + entry("slow", "slow", gates="{gates}", gate="slow")
    + entry("paced", "paced", gates="{gates}")
    + entry("attentive", "attentive")
)


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """The server under test needs the other core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    """`guarded`, `light`, which carries two pictures at once, `paced` and `attentive` are loaded; the rest is not."""
    with team_server(tmp_path_factory.mktemp("team"), TEAM, models="guarded,light,paced,attentive") as team:
        yield team


@pytest.fixture
def pace(team: TeamServer) -> Iterator[Pace]:
    """The passes of `paced`."""
    pace = Pace(team.gates)
    yield pace
    pace.let_go()


@pytest.fixture(scope="package")
def stubs(server: ServerProcess) -> Iterator[Stubs]:
    """Bare stubs of the server that all tests share."""
    with calling(server.address) as stubs:
        yield stubs


@pytest.fixture(scope="package")
def models_here(catalogue: Path) -> dict[str, Model]:
    """The models of the shared server, in this process: what the engine itself says of a picture."""
    entries = Catalogue.read(catalogue)
    return {name: entries.load(name) for name in ("efficientnet_lite0", "resnet18_seeded")}


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.let_go()
    for executor in bench.started:
        executor.close()
