"""checkov over what is applied: nothing is wrong but what says why, where it stands."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.dockerfile import DOCKERFILE
from tests.deploy.manifests import OVERLAYS, render
from tests.deploy.roles import ROOT

CHECKOV = ROOT / ".venv" / "deploy" / "bin" / "checkov"

pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed: make scan-deploy does it")


def scan(*targets: str) -> dict[str, Any]:
    """Its report."""
    command = [str(CHECKOV), *targets, "--output", "json", "--skip-download"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    report: dict[str, Any] = json.loads(made.stdout)
    return report


def found(report: dict[str, Any]) -> list[str]:
    checks = report["results"]["failed_checks"]
    return [f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in checks]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay(overlay: str, tmp_path: Path) -> None:
    file = tmp_path / "overlay.yaml"
    file.write_text(yaml.safe_dump_all(render(f"overlays/{overlay}").objects))
    report = scan("--file", str(file), "--framework", "kubernetes")
    assert report["summary"]["passed"] > 300
    assert found(report) == []
    assert all(len(check["check_result"]["suppress_comment"]) > 20 for check in report["results"]["skipped_checks"])


def test_an_overlay_that_is_broken(tmp_path: Path) -> None:
    manifests = render("overlays/cpu").copy()
    manifests.one("Deployment", "jobs")["spec"]["template"]["spec"]["hostNetwork"] = True
    file = tmp_path / "overlay.yaml"
    file.write_text(yaml.safe_dump_all(manifests.objects))
    assert any("CKV_K8S_19" in one for one in found(scan("--file", str(file), "--framework", "kubernetes")))


def test_the_images() -> None:
    assert found(scan("--file", str(DOCKERFILE), "--framework", "dockerfile")) == []
