"""The servers that are fuzzed, once a session; with FUZZ_INPUTS a table of what was sent."""

from collections.abc import Iterator

import pytest

from tests.fuzz.cluster import Cluster, cluster
from tests.fuzz.effort import LONG
from tests.fuzz.tally import TALLY

LONGEST = 3600


@pytest.fixture(scope="package")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An attribution server and a jobs server that nobody else uses."""
    with cluster(tmp_path_factory.mktemp("fuzz")) as found:
        yield found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LONG and "/fuzz/" in str(item.path):
            item.add_marker(pytest.mark.timeout(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LONG:
        terminalreporter.write_line("")
        for line in TALLY.lines():
            terminalreporter.write_line(line)
