"""The wheel, installed alone: the SDK and the command line, without torch."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.processes import ServerProcess

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# Folder of the tree to package of the wheel.
PACKAGES = {
    "engine": "convscope/engine",
    "services": "convscope/services",
    "clients/python": "convscope/client",
    "protos/convscope/v1": "convscope/v1",
}
DATA = {
    "convscope/engine/models/catalogue.toml",
    "convscope/client/py.typed",
    "convscope/engine/py.typed",
    "convscope/services/py.typed",
    "convscope/v1/py.typed",
    "convscope/v1/attribution_service.proto",
    "convscope/v1/image.proto",
    "convscope/v1/method.proto",
    "convscope/v1/model_service.proto",
    "convscope/v1/prediction.proto",
    "convscope/v1/segmentation.proto",
    "convscope/v1/target.proto",
    "convscope/v1/tensor.proto",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as a commit of everything would have it, so that building leaves nothing in the real one."""
    copy = tmp_path_factory.mktemp("tree")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if os.path.lexists(ROOT / name):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, tree)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "-c", constraints, wheel)
    return python.parent


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder from which the tree cannot be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = contents(wheel)
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"convscope"}
    assert len(tops) == 2
    assert sorted(DATA - names) == []
    assert [name for name in names if "__pycache__" in name or name.endswith("~")] == []


@pytest.mark.parametrize("folder", PACKAGES)
def test_every_module_of_the_tree_is_in_the_wheel(tree: Path, wheel: Path, folder: str) -> None:
    modules = {f"{PACKAGES[folder]}/{path.relative_to(tree / folder)}" for path in (tree / folder).rglob("*.py")}
    assert modules
    assert sorted(modules - contents(wheel)) == []


def test_the_base_install_has_no_torch(installed: Path, elsewhere: Path) -> None:
    for name in ("torch", "redis", "celery"):
        assert "ModuleNotFoundError" in fails(installed / "python", "-c", f"import {name}").stderr
    run(sys.executable, "-m", "pip", "--python", installed / "python", "check")


def test_the_sdk_imports_without_a_warning(installed: Path, elsewhere: Path) -> None:
    said = run(installed / "python", "-W", "error", "-c", "import convscope.client as c; print(c.__file__)")
    assert str(installed.parent) in said


def test_the_command_line_asks_a_real_server(
    installed: Path, elsewhere: Path, server: ServerProcess, cat_path: Path
) -> None:
    assert run(installed / "convscope", "--version").startswith("convscope ")
    where = ("--server", server.address)
    assert "tiger cat" in run(installed / "convscope", "classify", cat_path, *where)
    run(installed / "convscope", "attribute", cat_path, "--target", "tabby", "-o", elsewhere / "why.png", *where)
    assert (elsewhere / "why.png").read_bytes().startswith(b"\x89PNG")
    sheets = [elsewhere / "compare.png", elsewhere / "failure.png"]
    methods = ("--method", "saliency", "--method", "grad_cam")
    assert "tiger cat" in run(installed / "convscope", "compare", cat_path, *methods, "-o", sheets[0], *where)
    assert "wrong: said tiger cat" in run(
        installed / "convscope", "analyze-failure", cat_path, "--truth", "tabby", "-o", sheets[1], *where
    )
    assert all(sheet.read_bytes().startswith(b"\x89PNG") for sheet in sheets)
    assert "resnet50" in run(installed / "convscope", "models", *where)


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("serve", "attribution"), "server"),
        (("serve", "jobs"), "jobs"),
        (("worker",), "worker"),
        (("up",), "local"),
        (("demo",), "local"),
    ],
    ids=["serve attribution", "serve jobs", "worker", "up", "demo"],
)
def test_what_needs_more_says_which_extra(
    installed: Path, elsewhere: Path, command: tuple[str, ...], extra: str
) -> None:
    said = fails(installed / "convscope", *command).stderr
    assert f"convscope[{extra}]" in said
    assert said.startswith("error: ")
    assert "Traceback" not in said
    assert list(elsewhere.iterdir()) == []


def contents(wheel: Path) -> set[str]:
    """Names of the files in it."""
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def run(*command: str | Path) -> str:
    """What a program prints that succeeds."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def fails(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """A program that ends with status 1."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    return result
