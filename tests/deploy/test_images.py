"""The images, as far as they can be tried without an engine."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.deploy.dockerfile import DOCKERFILE, instructions, stages
from tests.deploy.roles import DEPLOY, ROLES, ROOT
from tests.processes import free_port, store, wait_until

REQUIREMENTS = DEPLOY / "images" / "requirements.py"
CONSTRAINTS = ROOT / "constraints.txt"


def asked(*extras: str) -> list[str]:
    """What requirements.py prints for these extras."""
    command = [sys.executable, str(REQUIREMENTS), *extras]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_bases_are_pinned() -> None:
    arguments = dict(rest.split("=", 1) for word, rest in instructions() if word == "ARG" and "=" in rest)
    known = stages()
    for stage in known.values():
        image = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], stage.base)
        assert image in known or re.search(r":\d[\w.-]+$", image), image


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_a_target_that_runs_its_program_as_nobody_in_particular(name: str) -> None:
    stage, role = stages()[name], ROLES[name]
    assert stage.user == "10001:10001"
    assert stage.entry == ["python", "-m", role.module]
    assert stage.environment["HOME"] == "/tmp"
    assert stage.environment["PATH"].startswith("/opt/convscope/bin:")


@pytest.mark.parametrize("name", ROLES)
def test_it_listens_where_the_program_would(name: str) -> None:
    stage, role = stages()[name], ROLES[name]
    ports = {role.port} - {None}
    if "metrics_port" in role.settings.model_fields:
        ports.add(int(stage.environment["CONVSCOPE_METRICS_PORT"]))
    assert stage.exposed == ports
    if role.port is not None:
        # The probe reads it, which knows no role.
        assert stage.environment["CONVSCOPE_PORT"] == str(role.port)


@pytest.mark.parametrize("name", ROLES)
def test_its_variables_are_settings(name: str) -> None:
    # The page shares an image's beginning with servers.
    assert stages()[name].ours().keys() - ROLES[name].variables <= {"CONVSCOPE_LOG_FORMAT"}


@pytest.mark.parametrize("name", ["jobs", "web"])
def test_what_does_not_compute_has_no_torch(name: str) -> None:
    stage = stages()[name]
    (packages,) = [source for copy in stage.copies for source in re.findall(r"--from=(\S+)", copy)]
    (line,) = [
        rest
        for word, rest in instructions()
        if word == "RUN" and f"requirements.py {' '.join(ROLES[name].extras)} >" in rest
    ]
    assert packages == f"{name}-packages"
    assert "TORCH_INDEX" not in line
    assert not {"torch", "torchvision", "faiss-cpu"} & {Requirement(one).name for one in asked(*ROLES[name].extras)}


def test_what_computes_has_what_its_extras_ask_for() -> None:
    assert ROLES["attribution"].extras == ROLES["worker"].extras
    names = {Requirement(one).name for one in asked(*ROLES["worker"].extras)}
    assert {"torch", "torchvision", "celery", "redis", "s3fs"} <= names
    assert any(f"requirements.py {' '.join(ROLES['worker'].extras)} >" in rest for _, rest in instructions())
    assert set(asked("server")) == set(asked("worker"))


def test_requirements_are_those_of_the_distribution() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert asked() == sorted(listed["dependencies"])
    assert asked("s3") == sorted([*listed["dependencies"], *listed["optional-dependencies"]["s3"]])
    assert not [one for one in asked("all") if one.startswith("convscope")]


@pytest.mark.parametrize("name", ROLES)
def test_what_a_role_asks_for_is_pinned(name: str) -> None:
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pins = {spelt(line.partition("==")[0]): line.partition("==")[2] for line in lines if not line.startswith("#")}
    wanted = [Requirement(one) for one in asked(*ROLES[name].extras)]
    assert [str(one) for one in wanted if spelt(one.name) not in pins] == []
    assert [str(one) for one in wanted if not one.specifier.contains(pins[spelt(one.name)])] == []


def spelt(name: str) -> str:
    """A distribution's name, of which there are several spellings."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the engine would be sent: the tree without what .dockerignore names."""
    rules = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] not in "#"]
    assert rules[0] == "*"
    taken = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    left = [rule.removeprefix("**/") for rule in rules[1:] if not rule.startswith("!")]
    copy = tmp_path_factory.mktemp("context")
    for name in taken:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(*left))
        else:
            shutil.copy2(source, target)
    return copy


@pytest.fixture(scope="module")
def wheel(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the Dockerfile builds it."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(context)]
    made = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    (built,) = folder.iterdir()
    return built


@pytest.mark.slow
def test_the_context_is_all_that_the_wheel_needs_and_no_more(context: Path, wheel: Path) -> None:
    tops = {path.name for path in context.iterdir()} - {"build", "convscope.egg-info"}
    assert tops == {
        "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "deploy",
        "engine", "services", "workers", "protos", "clients",
    }  # fmt: skip
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packages = {"engine": "engine", "services": "services", "workers": "workers", "clients/web": "web"}
    for folder, package in packages.items():
        modules = {f"convscope/{package}/{path.relative_to(ROOT / folder)}" for path in (ROOT / folder).rglob("*.py")}
        assert sorted(modules - names) == []
    assert not [name for name in names if fnmatch(name, "*__pycache__*")]


@pytest.mark.slow
def test_the_jobs_role_installs_and_serves_without_torch(wheel: Path, tmp_path: Path) -> None:
    stage = stages()["jobs"]
    venv.create(tmp_path / "packages", symlinks=True)
    python = tmp_path / "packages" / "bin" / "python"
    (tmp_path / "requirements.txt").write_text("\n".join(asked(*ROLES["jobs"].extras)))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    for what in (["-c", str(CONSTRAINTS), "-r", "requirements.txt"], ["--no-deps", str(wheel)]):
        made = subprocess.run([*install, *what], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    listed = run(sys.executable, "-m", "pip", "--python", python, "list", "--format", "json")
    names = {one["name"] for one in json.loads(listed)}
    assert not {"torch", "torchvision", "numba", "scipy"} & names
    with store() as valkey:
        environment = stage.environment | {
            "CONVSCOPE_PORT": str(free_port()),
            "CONVSCOPE_METRICS_PORT": str(free_port()),
            "CONVSCOPE_REDIS_URL": valkey.connection_url,
            "CONVSCOPE_ARTIFACTS_URL": tmp_path.as_uri(),
        }
        process = subprocess.Popen([str(python), *stage.entry[1:]], env=environment, cwd=tmp_path)
        try:
            health = [str(python), *stage.health[1:]]
            wait_until(lambda: subprocess.run(health, env=environment, check=False).returncode == 0, "its health")
        finally:
            process.terminate()
            assert process.wait(60) == 0


@pytest.mark.slow
def test_the_web_role_resolves_without_torch(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("\n".join(asked(*ROLES["web"].extras)))
    report = tmp_path / "report.json"
    pip = (sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet")
    run(*pip, "--report", report, "-c", CONSTRAINTS, "-r", tmp_path / "requirements.txt")
    names = {one["metadata"]["name"].lower() for one in json.loads(report.read_text())["install"]}
    assert "gradio" in names
    assert not {"torch", "celery", "redis"} & names


def run(*command: str | Path) -> str:
    """What a program prints that succeeds."""
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert made.returncode == 0, made.stderr
    return made.stdout
