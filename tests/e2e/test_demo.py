"""`convscope demo`: what a newcomer sees first."""

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.client.cli.demo import METHODS, photographs
from tests.e2e.trail import PROC, Trail

# By the two long jobs.
MADE = ("flamingo.class.png", "china.dream.png")
# What the network has learned.
INSPECTED = ("filters.png", "activations.png", "patches.png", "neighbors.png", "map.png")
CONVSCOPE = Path(sys.executable).with_name("convscope")
# Beside other tests on two cores.
LONGEST = 900
pytestmark = pytest.mark.timeout(LONGEST + 60)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps what it throws away."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def trail(temporary: Path) -> Trail:
    return Trail(temporary)


@pytest.fixture(scope="module")
def demo(temporary: Path, trail: Trail, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The demo, run once; its pictures are in `out` beside its working folder."""
    folder = tmp_path_factory.mktemp("demo")
    return subprocess.run(
        [CONVSCOPE, "demo", "-o", str(folder / "out")],
        env={**trail.environment, "TMPDIR": str(temporary)},
        capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def out(demo: subprocess.CompletedProcess[str]) -> Path:
    assert demo.returncode == 0, demo.stderr
    return Path(demo.args[-1])


def test_it_says_where_the_pictures_are(demo: subprocess.CompletedProcess[str], out: Path) -> None:
    assert f"the pictures are in {out}" in demo.stdout
    assert str(out / "contact_sheet.png") in demo.stdout
    for photograph in photographs():
        assert photograph.name in demo.stdout
    assert "tabby" in demo.stdout


def test_it_explains_at_least_three_photographs_with_every_method(out: Path) -> None:
    assert len(photographs()) >= 3
    expected = {f"{photograph.stem}.{method}.png" for photograph in photographs() for method in METHODS}
    assert {path.name for path in out.iterdir()} == expected | {"contact_sheet.png", *MADE, *INSPECTED}


@pytest.mark.parametrize("photograph", photographs(), ids=lambda path: path.stem)
def test_an_overlay_is_a_drawing_on_the_whole_photograph(out: Path, photograph: Path) -> None:
    with Image.open(photograph) as opened:
        original = opened.convert("RGB")
    drawings = []
    for method in METHODS:
        with Image.open(out / f"{photograph.stem}.{method}.png") as overlay:
            assert overlay.size == original.size
            drawings.append(np.asarray(overlay.convert("RGB")).astype(int))
    for drawing in drawings:
        assert drawing.std() > 10, "a real picture"
        assert np.abs(drawing - np.asarray(original)).mean() > 5, "with something drawn on it"
    for one, other in combinations(drawings, 2):
        assert np.abs(one - other).mean() > 1, "each method its own"


def test_the_contact_sheet_holds_a_row_for_each_photograph(out: Path) -> None:
    with Image.open(out / "contact_sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
        assert sheet.height > 200 * len(photographs())
        assert sheet.width > 300 * (1 + len(METHODS))
    rows = np.array_split(pixels, len(photographs()))
    assert min(row.std() for row in rows) > 20


def test_the_pictures_of_the_long_jobs_are_pictures(demo: subprocess.CompletedProcess[str], out: Path) -> None:
    for name in MADE:
        assert name in demo.stdout
    with Image.open(out / MADE[0]) as made, Image.open(out / MADE[1]) as dreamt:
        assert np.asarray(made).std() > 10
        with Image.open(photographs()[-1]) as original:
            small = np.asarray(original.convert("RGB").resize(dreamt.size)).astype(int)
        assert np.abs(np.asarray(dreamt) - small).mean() > 5, "something was dreamt"
        assert np.corrcoef(np.asarray(dreamt).ravel(), small.ravel())[0, 1] > 0.8, "of the photograph"


def test_it_leaves_nothing_behind(demo: subprocess.CompletedProcess[str], trail: Trail, temporary: Path) -> None:
    assert demo.returncode == 0, demo.stderr
    # Whoever imports torchvision leaves torch's empty cache folder there.
    assert [path for path in temporary.iterdir() if not path.name.startswith("torchinductor_")] == []
    if PROC.exists():
        assert trail.processes() == {}


@pytest.mark.skipif(not PROC.exists(), reason="nothing tells a process that its parent has died")
def test_its_cluster_ends_with_it_also_when_it_is_killed(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    environment = {**trail.environment, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([CONVSCOPE, "demo", "-o", str(tmp_path / "out")], env=environment) as process:
        wait_until(lambda: any("convscope.services.all_in_one" in line for line in trail.processes().values()))
        process.kill()
    wait_until(lambda: trail.processes() == {})


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)
