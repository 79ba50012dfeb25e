"""Who installs the SDK alone has no torch, and needs none."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "redis", "grpc_reflection")
LIGHT = (
    "convscope.engine",
    "convscope.engine.errors",
    "convscope.engine.generation.card",
    "convscope.engine.generation.parameters",
    "convscope.engine.generation.prior_header",
    "convscope.engine.generation.shipped",
    "convscope.engine.imaging.activation_grid",
    "convscope.engine.imaging.box",
    "convscope.engine.imaging.comparison",
    "convscope.engine.imaging.contact_sheet",
    "convscope.engine.imaging.cutout",
    "convscope.engine.imaging.decode",
    "convscope.engine.imaging.filter_grid",
    "convscope.engine.imaging.heatmap",
    "convscope.engine.imaging.map_page",
    "convscope.engine.imaging.map_picture",
    "convscope.engine.imaging.overlay",
    "convscope.engine.imaging.tiles",
    "convscope.engine.inspection.perplexity",
    "convscope.engine.parameters",
    "convscope.engine.synthesis.errors",
    "convscope.engine.synthesis.paper_layers",
    "convscope.engine.synthesis.parameters",
    "convscope.engine.synthesis.recipes",
    "convscope.v1.attribution_service_pb2_grpc",
    "convscope.v1.model_service_pb2_grpc",
    "convscope.client",
    "convscope.client.cli",
)


def run_without(heavy: tuple[str, ...], statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement in an interpreter of its own, in which some packages cannot be imported."""
    block = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in heavy)
    return subprocess.run([sys.executable, "-c", block + statement], capture_output=True, text=True, check=False)


def test_the_light_modules_import_without_torch_redis_and_reflection() -> None:
    finished = run_without(HEAVY, "".join(f"import {module}\n" for module in LIGHT))
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("heavy", HEAVY)
def test_without_it_a_package_truly_cannot_be_imported(heavy: str) -> None:
    assert f"import of {heavy} halted" in run_without(HEAVY, f"import {heavy}").stderr


def test_the_librarys_one_call_asks_for_torch_only_when_it_is_used() -> None:
    finished = run_without(("torch",), "import convscope.engine\nconvscope.engine.attribute")
    assert "import of torch halted" in finished.stderr
