"""The overlays: what must hold of each, and what each is for."""

import os
from pathlib import Path

import pytest
from pydantic_settings import CliApp

from convscope.services.common.access.caller import Callers
from convscope.services.common.jobs.messages import celery_app
from convscope.services.common.settings import LOCAL_STORE
from convscope.services.common.store_address import StoreAddress
from tests.deploy.manifests import OVERLAYS, Object, name_of, pod_of, provided, render
from tests.deploy.roles import PREFIX, ROLES
from tests.deploy.rules import RULES, Rule, patience, replicas

GPU = "nvidia.com/gpu"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("folder", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_it_holds(folder: str, rule: Rule) -> None:
    assert list(rule(render(folder))) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", ROLES)
def test_the_programs_take_the_settings_that_they_are_given(
    overlay: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = render(f"overlays/{overlay}")
    (container,) = pod_of(manifests.one("Deployment", name))["containers"]
    for variable, value in manifests.environment(container).items():
        monkeypatch.setenv(variable, value)
    settings = CliApp.run(ROLES[name].settings, cli_args=[])
    told = {field for field in settings.model_fields_set if f"{PREFIX}{field.upper()}" in ROLES[name].variables}
    assert told == {
        variable.removeprefix(PREFIX).lower()
        for variable in manifests.environment(container)
        if variable.startswith(PREFIX)
    }


def test_the_base_needs_no_custom_resource() -> None:
    assert {object["apiVersion"] for object in render("base").objects} == {
        "v1",
        "apps/v1",
        "networking.k8s.io/v1",
        "policy/v1",
    }


@pytest.mark.parametrize("overlay", ["gpu", "ha"])
@pytest.mark.parametrize("name", ["attribution", "worker"])
def test_what_computes_has_a_gpu_of_its_own(overlay: str, name: str) -> None:
    manifests = render(f"overlays/{overlay}")
    pod = pod_of(manifests.one("Deployment", name))
    (container,) = pod["containers"]
    assert container["resources"]["limits"][GPU] == container["resources"]["requests"][GPU] == "1"
    assert container["image"].endswith("-cuda")
    assert pod["nodeSelector"] == {f"{GPU}.present": "true"}
    assert GPU in {toleration["key"] for toleration in pod["tolerations"]}
    assert pod["topologySpreadConstraints"]
    # It says so when it has none.
    assert manifests.environment(container)["CONVSCOPE_DEVICE"] == "cuda"
    assert manifests.environment(container).get("CONVSCOPE_CONCURRENCY", "1") == "1"


def test_the_overlay_cpu_asks_for_no_gpu() -> None:
    manifests = render("overlays/cpu")
    assert GPU not in str(manifests.objects)
    assert "-cuda" not in str(manifests.objects)


@pytest.mark.parametrize("name", ["attribution", "jobs", "worker"])
def test_the_overlay_ha_has_two_of_each_in_different_places(name: str) -> None:
    manifests = render("overlays/ha")
    workload = manifests.one("Deployment", name)
    assert replicas(manifests, workload)[0] >= 2
    spread = {constraint["topologyKey"] for constraint in pod_of(workload)["topologySpreadConstraints"]}
    assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_the_overlay_ha_keeps_nothing_in_the_cluster() -> None:
    manifests = render("overlays/ha")
    assert [name_of(object) for object in manifests.of("StatefulSet", "PersistentVolumeClaim")] == []


@pytest.mark.parametrize("name", ["attribution", "jobs"])
def test_the_overlay_ha_knows_its_callers_and_encrypts(name: str) -> None:
    manifests = render("overlays/ha")
    (container,) = pod_of(manifests.one("Deployment", name))["containers"]
    assert {
        "CONVSCOPE_CALLERS_FILE",
        "CONVSCOPE_TLS_CERTIFICATE",
        "CONVSCOPE_TLS_KEY",
        "CONVSCOPE_REDIS_TLS_CA",
        "CONVSCOPE_REDIS_TLS_CERTIFICATE",
        "CONVSCOPE_REDIS_TLS_KEY",
    } <= manifests.environment(container).keys()
    # Kubernetes' own way knows no encryption.
    assert "grpc" not in container["readinessProbe"]
    assert {listener["protocol"] for listener in manifests.one("Gateway", "convscope")["spec"]["listeners"]} == {
        "HTTPS"
    }
    assert {policy["spec"]["validation"]["hostname"] for policy in manifests.of("BackendTLSPolicy")} >= {
        f"{name}.convscope.svc"
    }


def test_a_worker_outlives_a_store_that_is_away() -> None:
    (container,) = pod_of(render("base").one("Deployment", "worker"))["containers"]
    for probe in ("startupProbe", "livenessProbe"):
        assert "--alive" in container[probe]["exec"]["command"], "the other heartbeat stops with the store"
    assert "--alive" not in container["readinessProbe"]["exec"]["command"]


def test_a_worker_that_hangs_is_killed_within_five_minutes() -> None:
    (container,) = pod_of(render("base").one("Deployment", "worker"))["containers"]
    probe = container["livenessProbe"]
    within = float(probe["exec"]["command"][-1])
    # A store that is there and says nothing holds it up for a socket's timeout, and again when it tries anew.
    patient = celery_app(StoreAddress(LOCAL_STORE)).conf.broker_transport_options["socket_timeout"]
    assert within > 2 * patient
    assert within + patience(probe) <= 300


def test_models_may_take_ten_minutes_to_load() -> None:
    (container,) = pod_of(render("base").one("Deployment", "attribution"))["containers"]
    assert patience(container["startupProbe"]) >= 600


def test_the_page_is_asked_for_longer_than_it_looks_for_its_cluster() -> None:
    (container,) = pod_of(render("base").one("Deployment", "web"))["containers"]
    probes: list[Object] = [container["readinessProbe"], container["livenessProbe"]]
    assert all(probe["timeoutSeconds"] > 2 for probe in probes)


def test_the_example_of_callers_can_be_read(tmp_path: Path) -> None:
    (secret,) = [one for one in provided() if one["metadata"]["name"] == "convscope-callers"]
    file = tmp_path / "callers.toml"
    file.write_text(secret["stringData"]["callers.toml"])
    assert Callers.read(file).of_token("REPLACE-ME") is None


def test_the_example_of_a_buckets_credentials_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = pytest.importorskip("botocore.session")
    (secret,) = [one for one in provided() if one["metadata"]["name"] == "convscope-artifacts"]
    file = tmp_path / "credentials"
    file.write_text(secret["stringData"]["credentials"].replace("# endpoint_url", "endpoint_url"))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    client = session.Session().create_client("s3", region_name="us-east-1")
    assert client.meta.endpoint_url == "https://REPLACE-ME"
    assert client._request_signer._credentials.access_key == "REPLACE-ME"
