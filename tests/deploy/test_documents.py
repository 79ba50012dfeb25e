"""What docs/operations.md names is there."""

import re

import pytest

from convscope.client.settings import ClientSettings
from convscope.services.all_in_one.settings import AllSettings
from convscope.services.local.settings import LocalSettings
from tests.deploy.manifests import KUBERNETES, OVERLAYS, Manifests, pod_of, provided, render
from tests.deploy.roles import PREFIX, ROLES, ROOT
from tests.deploy.rules import metric_names

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title}"
    return found[1]


def test_settings() -> None:
    classes = [role.settings for role in ROLES.values()] + [AllSettings, ClientSettings, LocalSettings]
    known = {PREFIX + name.upper() for settings in classes for name in settings.model_fields}
    assert sorted(set(re.findall(r"\bCONVSCOPE_[A-Z_]+", TEXT)) - known) == []


def test_metrics() -> None:
    named = set(re.findall(r"`(convscope_\w+)", TEXT))
    assert len(named) > 10
    assert sorted(named - metric_names()) == []


def test_paths() -> None:
    named = set(re.findall(r"\bdeploy/[\w./-]*\w", TEXT))
    assert len(named) > 5
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_overlays_and_components() -> None:
    text = section("Kubernetes")
    assert (
        set(re.findall(r"overlays/(\w+)", text))
        == set(OVERLAYS)
        == {path.name for path in (KUBERNETES / "overlays").iterdir()}
    )
    (parts,) = re.findall(r"put together otherwise: (.*?)\.", text, flags=re.DOTALL)
    assert set(re.findall(r"`([\w-]+)`", parts)) == {path.name for path in (KUBERNETES / "components").iterdir()}


@pytest.mark.parametrize("role", ROLES)
def test_grace(role: str) -> None:
    """The table is what base says."""
    row = re.search(rf"^\| {role} \| (\d+) \|", section("Kubernetes"), flags=re.MULTILINE)
    assert row, f"there is no row for {role}"
    assert int(row[1]) == pod_of(render("base").one("Deployment", role))["terminationGracePeriodSeconds"]


def test_addresses() -> None:
    manifests: Manifests = render("overlays/cpu")
    for name, port in re.findall(r"dns:///([\w-]+)\.convscope:(\d+)", section("Kubernetes")):
        service = manifests.one("Service", name)
        assert service["spec"]["clusterIP"] == "None"
        assert int(port) in {listed["port"] for listed in service["spec"]["ports"]}


def test_what_is_to_be_provided_is_what_is_asked_for() -> None:
    """An example that nobody needs any more is found."""
    asked = set()
    for overlay in OVERLAYS:
        text = str(render(f"overlays/{overlay}").objects)
        asked |= {one["metadata"]["name"] for one in provided() if f"'{one['metadata']['name']}'" in text}
    assert asked == {one["metadata"]["name"] for one in provided()}
