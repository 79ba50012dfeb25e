"""Long methods run in batches that the memory sets, and tell how far they are."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.engine.attribution import inner_batches
from convscope.engine.attribution.attribute import attribute_fully
from convscope.engine.attribution.batch import Batch, Progress, unwatched
from convscope.engine.attribution.inner_batches import UNKNOWN, free_machine_memory, free_memory, in_inner_batches
from convscope.engine.attribution.target import ClassTarget, Targets
from tests.engine.rounding import assert_same_but_rounding

SCANS: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"steps": 21},
    "smooth_grad": {"samples": 21},
    "var_grad": {"samples": 21},
    "score_cam": {},
    "ablation_cam": {},
    "rise": {"masks": 21},
}


class Small(nn.Module):
    """Notes how many pictures it gets; may refuse more than `limit` at once."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 40, 3, padding=1)
        self.head = nn.Linear(40, 5)
        self.sizes: list[int] = []
        self.limit = 1_000_000
        self.error: Callable[[], BaseException] = torch.OutOfMemoryError
        self.eval().double()

    def forward(self, images: Tensor) -> Tensor:
        values = self.conv(images).relu()
        self.sizes.append(len(values))  # ablation_cam makes its copies here
        if len(values) > self.limit:
            raise self.error()
        scores: Tensor = self.head(values.square().mean(dim=(2, 3)))
        return scores


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(11), dtype=torch.float64)


def batch_of(module: nn.Module, images: Tensor, progress: Progress = unwatched) -> Batch:
    return Batch(module, images, Targets((ClassTarget(),) * len(images)), progress=progress)


@pytest.mark.parametrize("size", [1, 2, 7, 16, 1000])
@pytest.mark.parametrize("total", [1, 2, 16, 17, 100])
def test_every_row_comes_once_and_in_order(
    total: int, size: int, small: Small, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(inner_batches.MOST, "cpu", size)
    rows: list[int] = []
    told: list[tuple[int, int]] = []

    def run(some: range) -> None:
        assert 1 <= len(some) <= size
        assert told[-1] == (some.start, total)
        rows.extend(some)

    in_inner_batches(batch_of(small, images, lambda *done: told.append(done)), total, run, gradients=False)
    assert rows == list(range(total))
    assert told == [*((start, total) for start in range(0, total, size)), (total, total)]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_what_does_not_fit_is_halved_until_it_does(error: type[Exception], small: Small, images: Tensor) -> None:
    rows: list[int] = []
    tried: list[int] = []
    told: list[tuple[int, int]] = []

    def run(some: range) -> None:
        tried.append(len(some))
        if len(some) > 3:
            raise error("no memory")
        rows.extend(some)

    in_inner_batches(batch_of(small, images, lambda *done: told.append(done)), 20, run, gradients=True)
    assert rows == list(range(20))
    assert tried == [8, 4, *[2] * 10]
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, 20), (20, 20))


@pytest.mark.parametrize(("total", "expected"), [(1, [1]), (4, [4, 2, 2, 1, 1]), (9, [8, 1])])
def test_one_that_does_not_fit_alone_ends_the_call(
    total: int, expected: list[int], small: Small, images: Tensor
) -> None:
    """The last row of all is alone even where more would fit: it is not tried again."""
    tried: list[int] = []

    def run(some: range) -> None:
        tried.append(len(some))
        if total - 1 in some:
            raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError, match="no memory"):
        in_inner_batches(batch_of(small, images), total, run, gradients=True)
    assert tried == expected


def test_the_cpus_own_error_is_one_of_memory(small: Small, images: Tensor) -> None:
    tried: list[int] = []

    def run(some: range) -> None:
        tried.append(len(some))
        if len(some) > 4:
            torch.empty(1 << 60)

    in_inner_batches(batch_of(small, images), 16, run, gradients=False)
    assert tried == [8, 4, 4, 4, 4]


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("no"), KeyboardInterrupt()])
def test_another_error_is_not_tried_again(error: BaseException, small: Small, images: Tensor) -> None:
    tried: list[int] = []

    def run(some: range) -> None:
        tried.append(len(some))
        raise error

    with pytest.raises(type(error)):
        in_inner_batches(batch_of(small, images), 16, run, gradients=False)
    assert tried == [8]


@pytest.mark.parametrize("gradients", [True, False])
def test_little_memory_makes_small_batches_and_at_least_one(
    gradients: bool, small: Small, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Picture, convolution, scores; with a graph as much again for the gradients.
    each = 8 * (3 * 64 + 40 * 64 + 5) * (2 if gradients else 1)
    for carried, expected in [(0, 1), (1, 1), (5, 5), (1000, 8)]:
        free = int(carried * each / inner_batches.SHARE) + 8
        monkeypatch.setattr(inner_batches, "free_memory", lambda _, free=free: free)
        ranges: list[range] = []
        in_inner_batches(batch_of(small, images), 64, ranges.append, gradients=gradients)
        assert max(map(len, ranges)) == expected


@pytest.mark.parametrize("method", SCANS)
def test_progress_goes_from_nothing_to_all(method: str, small: Small, images: Tensor) -> None:
    told: list[tuple[int, int]] = []
    attribute_fully(small, images, 1, method, progress=lambda *done: told.append(done), **SCANS[method])
    total = 80 if method in ("score_cam", "ablation_cam") else 42
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert {both[1] for both in told} == {total}
    assert len(told) > 3


@pytest.mark.parametrize("method", SCANS)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_progress_raises_ends_a_method_at_once(at: int, method: str, small: Small, images: Tensor) -> None:
    class Cancelled(Exception):
        pass

    told: list[int] = []

    def progress(done: int, total: int) -> None:
        if len(told) == at:
            small.sizes.clear()
            raise Cancelled
        told.append(done)

    good = attribute_fully(small, images, 1, method, **SCANS[method]).values
    with pytest.raises(Cancelled):
        attribute_fully(small, images, 1, method, progress=progress, **SCANS[method])
    assert small.sizes == []  # no pass afterwards
    assert not small._forward_hooks
    assert not small.conv._forward_hooks
    assert torch.is_grad_enabled()
    assert torch.equal(attribute_fully(small, images, 1, method, **SCANS[method]).values, good)


@pytest.mark.parametrize("method", SCANS)
def test_a_network_that_has_no_memory_for_many_gives_the_same_answer(method: str, small: Small, images: Tensor) -> None:
    whole = attribute_fully(small, images, [1, 2], method, **SCANS[method])
    assert max(small.sizes) == 8
    small.sizes.clear()
    small.limit = 3
    told: list[tuple[int, int]] = []
    halved = attribute_fully(small, images, [1, 2], method, progress=lambda *d: told.append(d), **SCANS[method])
    assert max(small.sizes) == 8
    assert sum(size > 3 for size in small.sizes) <= 4  # 8, 4; ablation_cam for each picture
    assert told == sorted(told)
    assert_same_but_rounding(halved.values, whole.values)


@pytest.mark.parametrize("method", SCANS)
def test_a_network_that_has_no_memory_for_one_says_so(method: str, small: Small, images: Tensor) -> None:
    attribute_fully(small, images[:1], 1, "gradient")

    def progress(done: int, total: int) -> None:
        small.limit = 0

    with pytest.raises(torch.OutOfMemoryError):
        attribute_fully(small, images[:1], 1, method, progress=progress, **SCANS[method])
    assert not small.conv._forward_hooks


@pytest.mark.parametrize("method", SCANS)
def test_an_error_of_the_network_is_raised_as_it_is(method: str, small: Small, images: Tensor) -> None:
    good = attribute_fully(small, images, 1, method, **SCANS[method]).values
    small.limit, small.error = 3, lambda: RuntimeError("shapes do not match")
    small.sizes.clear()
    with pytest.raises(RuntimeError, match="shapes do not match"):
        attribute_fully(small, images, 1, method, **SCANS[method])
    # ablation_cam cannot tell it from copies that meet something for one picture, and tries whole passes.
    assert sum(size > 3 for size in small.sizes) == (2 if method == "ablation_cam" else 1)
    small.limit = 1_000_000
    assert torch.equal(attribute_fully(small, images, 1, method, **SCANS[method]).values, good)


@pytest.mark.parametrize(
    ("method", "parameter", "count"),
    [
        ("integrated_gradients", "steps", 200),
        ("smooth_grad", "samples", 200),
        ("var_grad", "samples", 200),
        ("rise", "masks", 500),
    ],
)
def test_no_count_sets_how_many_pictures_run_at_once(
    method: str, parameter: str, count: int, small: Small, images: Tensor
) -> None:
    parameters: dict[str, Any] = {parameter: count}
    attribute_fully(small, images, 1, method, **parameters)
    assert max(small.sizes) == inner_batches.MOST["cpu"]
    assert sum(small.sizes) >= 2 * count


def test_long_scans_need_no_more_memory_than_short_ones() -> None:
    """A picture of 111 kB, kept for each step, sample or mask, would make a hundred megabytes or more."""
    code = """
        import resource
        import torch
        from torch import nn
        from convscope.engine import attribute

        def peak() -> int:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

        torch.set_num_threads(1)
        small = nn.Sequential(
            nn.Conv2d(3, 4, 7, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
        ).eval()
        images = torch.randn(1, 3, 96, 96)
        long = {
            "integrated_gradients": ("steps", 1000),
            "smooth_grad": ("samples", 1000),
            "rise": ("masks", 8000),
        }
        for method, (parameter, _) in long.items():
            attribute(small, images, 1, method, **{parameter: 64})
        before = peak()
        for method, (parameter, count) in long.items():
            attribute(small, images, 1, method, **{parameter: count})
            print(method, peak() - before)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    grown = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}
    assert set(grown) == {"integrated_gradients", "smooth_grad", "rise"}
    assert max(grown.values()) < 40, grown


GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:          102400 kB\nMemAvailable:    8388608 kB\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_page_cache_that_may_go_is_free(tmp_path: Path) -> None:
    """Of MemFree a machine that has run for long has hardly any."""
    write(tmp_path, {"proc/meminfo": MEMINFO})
    assert free_machine_memory(tmp_path) == 8 * GIB


def test_a_machine_that_does_not_tell_is_taken_for_a_small_one(tmp_path: Path) -> None:
    assert free_machine_memory(tmp_path) == UNKNOWN
    write(tmp_path, {"proc/meminfo": "MemTotal: 16777216 kB\n"})
    assert free_machine_memory(tmp_path) == UNKNOWN


@pytest.mark.parametrize(
    ("group", "folder"),
    [
        ("0::/\n", "sys/fs/cgroup"),
        ("0::/kubepods/pod1/one\n", "sys/fs/cgroup"),  # the host's path, which a container does not see
        ("0::/system.slice/convscope.service\n", "sys/fs/cgroup/system.slice/convscope.service"),
        ("0::/system.slice/convscope.service\n", "sys/fs/cgroup/system.slice"),
    ],
)
def test_a_containers_limit_counts_where_it_leaves_less(group: str, folder: str, tmp_path: Path) -> None:
    limits = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": group,
        f"{folder}/memory.max": f"{3 * GIB}\n",
        f"{folder}/memory.current": f"{2 * GIB}\n",
        f"{folder}/memory.stat": f"anon {GIB}\nfile {GIB}\ninactive_file {GIB // 2}\n",
    }
    write(tmp_path, limits)
    assert free_machine_memory(tmp_path) == GIB + GIB // 2
    write(tmp_path, {f"{folder}/memory.max": f"{100 * GIB}\n"})
    assert free_machine_memory(tmp_path) == 8 * GIB
    write(tmp_path, {f"{folder}/memory.max": "max\n"})
    assert free_machine_memory(tmp_path) == 8 * GIB


@pytest.mark.parametrize("folder", ["sys/fs/cgroup/memory", "sys/fs/cgroup/memory/docker/one"])
def test_a_containers_limit_counts_in_control_groups_of_version_one(folder: str, tmp_path: Path) -> None:
    limits = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/one\n3:cpuset:/\n0::/\n",
        f"{folder}/memory.limit_in_bytes": f"{3 * GIB}\n",
        f"{folder}/memory.usage_in_bytes": f"{2 * GIB}\n",
        f"{folder}/memory.stat": f"cache {GIB}\ninactive_file 1\ntotal_inactive_file {GIB // 4}\n",
    }
    write(tmp_path, limits)
    assert free_machine_memory(tmp_path) == GIB + GIB // 4
    write(tmp_path, {f"{folder}/memory.limit_in_bytes": "9223372036854771712\n"})
    assert free_machine_memory(tmp_path) == 8 * GIB


def test_this_machine_has_free_memory(images: Tensor) -> None:
    assert GIB // 8 < free_memory(images) < 1 << 50
