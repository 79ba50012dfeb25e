"""The objects of an overlay, as kubectl renders them, and what is asked of them."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from tests.deploy.roles import DEPLOY

KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ("cpu", "gpu", "ha")
WORKLOADS = ("Deployment", "StatefulSet")
COMPONENT = "app.kubernetes.io/component"
Object = dict[str, Any]


@dataclass(frozen=True)
class Manifests:
    """The objects of an overlay, and those that somebody else provides."""

    objects: Sequence[Object]
    provided: Sequence[Object]

    def of(self, *kinds: str) -> Iterator[Object]:
        return (object for object in self.objects if object["kind"] in kinds)

    def workloads(self) -> Iterator[Object]:
        return self.of(*WORKLOADS)

    def containers(self) -> Iterator[tuple[Object, Object]]:
        """Each with its workload."""
        for workload in self.workloads():
            for container in pod_of(workload).get("initContainers", []) + pod_of(workload)["containers"]:
                yield workload, container

    def find(self, kind: str, name: str, *, provided: bool = False) -> Object | None:
        for object in (*self.objects, *(self.provided if provided else ())):
            if (object["kind"], object["metadata"]["name"]) == (kind, name):
                return object
        return None

    def one(self, kind: str, name: str) -> Object:
        """Raises AssertionError where there is none."""
        found = self.find(kind, name)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def without(self, kind: str, name: str) -> "Manifests":
        return Manifests(
            [object for object in self.objects if (object["kind"], object["metadata"]["name"]) != (kind, name)],
            self.provided,
        )

    def copy(self) -> "Manifests":
        """One that may be broken."""
        return deepcopy(self)

    def selected(self, labels: Mapping[str, str], namespace: str | None) -> list[Object]:
        """Workloads whose pods have these labels."""
        return [
            workload
            for workload in self.workloads()
            if labels.items() <= labels_of(workload).items() and workload["metadata"].get("namespace") == namespace
        ]

    def environment(self, container: Object) -> dict[str, str]:
        """What it finds in its environment; of what is provided, the examples."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            reference = source.get("configMapRef") or source["secretRef"]
            kind = "ConfigMap" if "configMapRef" in source else "Secret"
            found |= texts(self.find(kind, reference["name"], provided=True) or {})
        for variable in container.get("env", []):
            found[variable["name"]] = self._value(variable, container)
        return found

    def _value(self, variable: Object, container: Object) -> str:
        if "value" in variable:
            return str(variable["value"])
        (source,) = variable["valueFrom"].items()
        match source:
            case ("resourceFieldRef", {"resource": "limits.cpu"}):
                return str(container["resources"]["limits"]["cpu"])
            case ("fieldRef", _):
                return "pod"
            case ("secretKeyRef", reference):
                secret = self.find("Secret", reference["name"], provided=True)
                return texts(secret or {}).get(reference["key"], "")
        raise AssertionError(f"where does {variable['name']} come from? {source}")


def pod_of(workload: Object) -> Object:
    pod: Object = workload["spec"]["template"]["spec"]
    return pod


def labels_of(workload: Object) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def texts(object: Object) -> dict[str, str]:
    """What a ConfigMap or a Secret holds."""
    return {**object.get("data", {}), **object.get("stringData", {})}


def name_of(object: Object) -> str:
    return f"{object['kind']} {object['metadata']['name']}"


def read(text: str) -> list[Object]:
    return [object for object in yaml.safe_load_all(text) if object]


@cache
def provided() -> list[Object]:
    return read((KUBERNETES / "secrets.example.yaml").read_text(encoding="utf-8"))


@cache
def render(folder: str) -> Manifests:
    """The objects of base or of an overlay. Skips where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed, which renders the overlays")
    made = subprocess.run(
        [kubectl, "kustomize", str(KUBERNETES / folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert made.returncode == 0, made.stderr
    return Manifests(read(made.stdout), provided())
