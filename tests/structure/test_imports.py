"""Imports run one way: clients and services on the engine, the engine on nothing of ours."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Folder to package, as [tool.setuptools.package-dir] maps them.
PACKAGES = {
    "engine": "convscope.engine",
    "services": "convscope.services",
    "workers": "convscope.workers",
    "clients/python": "convscope.client",
    "clients/web": "convscope.web",
    "protos/convscope/v1": "convscope.v1",
}


@dataclass(frozen=True)
class Rule:
    """What the modules of a package may import."""

    package: str
    ours: tuple[str, ...]
    """Packages of ours that they may import, each with all that is in it."""
    never: tuple[str, ...] = ()
    """Packages of others that they may not."""


# Every rule that fits a module counts.
RULES = (
    Rule("convscope.v1", ours=("convscope.v1",), never=("torch", "redis", "celery")),
    Rule(
        "convscope.client",
        ours=("convscope.v1", "convscope.engine.imaging", "convscope.engine.errors", "convscope.client"),
        never=("torch", "torchvision", "redis", "celery"),
    ),
    Rule(
        "convscope.web",
        ours=(
            "convscope.v1",
            "convscope.engine.imaging",
            "convscope.engine.errors",
            "convscope.client",
            "convscope.web",
        ),
        never=("torch", "torchvision", "redis", "celery"),
    ),
    Rule("convscope.services", ours=("convscope.v1", "convscope.engine", "convscope.services")),
    Rule("convscope.services.jobs", ours=("convscope",), never=("torch", "torchvision")),
    Rule(
        "convscope.workers",
        ours=("convscope.v1", "convscope.engine", "convscope.services.common", "convscope.workers"),
    ),
    Rule("convscope.engine", ours=("convscope.engine",), never=("grpc", "redis", "celery")),
    # What clients use too.
    Rule("convscope.engine.imaging", ours=("convscope.engine.imaging", "convscope.engine.errors"), never=("torch",)),
    Rule("convscope.engine.errors", ours=(), never=("torch",)),
)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def imports_of(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """Every name that a module imports, wherever it stands in the file: "torch.nn", "convscope.engine.errors"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            climbed = parts[: len(parts) - node.level + is_package] if node.level else []
            base = ".".join([*climbed, *filter(None, [node.module])])
            # `from package import name`: the name may be a module.
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (str(part.value) for part in node.args[:1] if isinstance(part, ast.Constant))


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What a module imports against the rules, one sentence each."""
    found = []
    for name in imports_of(source, module, is_package=is_package):
        for rule in RULES:
            if not within(module, rule.package):
                continue
            if within(name, "convscope") and not any(within(name, package) for package in rule.ours):
                allowed = ", ".join(rule.ours) or "nothing of ours"
                found.append(f"imports {name}, but {rule.package} may import only {allowed}")
            found.extend(
                f"imports {name}, but {rule.package} never imports {package}"
                for package in rule.never
                if within(name, package)
            )
    return found


def modules() -> Iterator[tuple[Path, str]]:
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield path, ".".join([package, *(part for part in parts if part != "__init__")])


def test_every_folder_with_python_in_it_is_looked_at() -> None:
    known = {path for path, _ in modules()}
    found = {path for folder in ("engine", "services", "workers", "clients") for path in (ROOT / folder).rglob("*.py")}
    assert len(known) > 30
    assert not found - known, "no package is known for " + ", ".join(
        str(path.relative_to(ROOT)) for path in sorted(found - known)
    )


@pytest.mark.parametrize("folder", PACKAGES)
def test_imports_run_one_way(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} {violation}"
        for path, module in modules()
        if path.is_relative_to(ROOT / folder)
        for violation in violations(path.read_text(encoding="utf-8"), module, is_package=path.stem == "__init__")
    ]
    assert not wrong, "\n".join(["imports against the rules of docs/architecture.md:", *wrong])


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("convscope.client.images", "from convscope.engine.imaging.decode import decode"),
        ("convscope.client.images", "from convscope.engine import errors"),
        ("convscope.client.cli.app", "from convscope.client import Client"),
        ("convscope.web.page", "from convscope.client import Client"),
        ("convscope.services.attribution.part", "import torch\nimport convscope.engine.attribution.methods"),
        ("convscope.services.jobs.server", "import torchmetrics"),
        ("convscope.services.jobs.server", "from convscope.services.common import store"),
        ("convscope.workers.tasks", "from convscope.services.common.store import connect"),
        ("convscope.engine.models.labels", "from torchvision.models import ResNet50_Weights"),
        ("convscope.engine.models.labels", "from . import layers\nfrom .. import errors\nfrom ..imaging import decode"),
    ],
)
def test_these_imports_are_right(module: str, source: str) -> None:
    assert violations(source, module) == []


@pytest.mark.parametrize(
    ("module", "source", "name"),
    [
        ("convscope.client.images", "from convscope.engine import attribute", "convscope.engine.attribute"),
        ("convscope.client.images", "import convscope.engine.models.labels", "convscope.engine.models.labels"),
        (
            "convscope.client.cli.serve",
            "from convscope.services.local import cluster",
            "convscope.services.local.cluster",
        ),
        ("convscope.client.cli.serve", "def f():\n    import convscope.services", "convscope.services"),
        ("convscope.client.cli.serve", "import_module('convscope.services.local')", "convscope.services.local"),
        ("convscope.client.images", "if TYPE_CHECKING:\n    import torch.nn", "torch.nn"),
        ("convscope.services.attribution.part", "from convscope.client import Client", "convscope.client.Client"),
        ("convscope.services.jobs.server", "def f():\n    from torch import Tensor", "torch.Tensor"),
        ("convscope.services.jobs.server", "importlib.import_module('torch')", "torch"),
        ("convscope.workers.tasks", "from convscope.services.attribution import x", "convscope.services.attribution.x"),
        ("convscope.workers.tasks", "from convscope.services import attribution", "convscope.services.attribution"),
        ("convscope.engine.errors", "from grpc import StatusCode", "grpc.StatusCode"),
        ("convscope.engine.models.labels", "from convscope.v1 import image_pb2", "convscope.v1.image_pb2"),
        ("convscope.engine.models.labels", "from ...services import common", "convscope.services.common"),
        ("convscope.engine.imaging.overlay", "import torch", "torch"),
        ("convscope.engine.imaging.overlay", "from ..models import labels", "convscope.engine.models.labels"),
        ("convscope.v1.image_pb2", "import convscope.engine", "convscope.engine"),
    ],
)
def test_these_imports_are_wrong(module: str, source: str, name: str) -> None:
    assert [sentence for sentence in violations(source, module) if sentence.startswith(f"imports {name}, but")]


def test_a_relative_import_of_a_package_starts_from_itself() -> None:
    assert violations("from .decode import decode", "convscope.engine.imaging", is_package=True) == []
    assert violations("from ..models import labels", "convscope.engine.imaging", is_package=True)
