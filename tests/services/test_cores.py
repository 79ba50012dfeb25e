"""How many cores a program takes for its own: those of its container, not those of the machine."""

import os
from pathlib import Path

import pytest

from convscope.services.attribution.settings import AttributionSettings
from convscope.services.common.cores import cores
from convscope.workers.settings import WorkerSettings

ALLOWED = len(os.sched_getaffinity(0))


def container(folder: Path, path: str, **quotas: str) -> tuple[Path, Path]:
    """A tree of cgroups, and the file that says which is one's own. quotas: cpu.max of a folder; _ is the root."""
    for name, quota in quotas.items():
        cgroup = folder / "cgroup" / ("" if name == "_" else name.replace("__", "/"))
        cgroup.mkdir(parents=True, exist_ok=True)
        (cgroup / "cpu.max").write_text(quota + "\n")
    own = folder / "own"
    own.write_text(f"3:cpuset:/elsewhere\n0::{path}\n")
    return folder / "cgroup", own


@pytest.mark.parametrize(
    ("path", "quotas", "expected"),
    [
        ("/", {"_": "100000 100000"}, 1),
        ("/", {"_": "50000 100000"}, 1),
        ("/", {"_": "190000 100000"}, 1),
        ("/", {"_": "max 100000"}, ALLOWED),
        ("/", {"_": "99900000 100000"}, ALLOWED),
        ("/pods/one", {"pods": "max 100000", "pods__one": "150000 100000"}, 1),
        ("/pods/one", {"pods": "100000 100000", "pods__one": "max 100000"}, 1),
        ("/pods/one", {}, ALLOWED),
        ("/", {"_": "nonsense"}, ALLOWED),
    ],
)
def test_a_quota_counts(path: str, quotas: dict[str, str], expected: int, tmp_path: Path) -> None:
    assert cores(*container(tmp_path, path, **quotas)) == expected


def test_where_there_are_no_cgroups_the_cores_are_those_of_the_process(tmp_path: Path) -> None:
    assert cores(tmp_path / "cgroup", tmp_path / "own") == ALLOWED


def test_a_process_that_is_bound_to_a_core_takes_that_one() -> None:
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, mine)


def test_programs_take_what_they_may_use() -> None:
    settings = AttributionSettings()
    assert (settings.threads, settings.decoders) == (cores(), cores())
    assert WorkerSettings(concurrency=1).threads_each == cores()
    assert WorkerSettings(concurrency=100).threads_each == 1
