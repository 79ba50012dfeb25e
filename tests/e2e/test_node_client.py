"""A Node program that knows the contract and nothing of ours gets the SDK's answers."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from numpy.typing import NDArray

from convscope.client import Attribution, Client, InvalidArgument
from tests.clients.answers import assert_close, class_of
from tests.e2e.local_cluster import MODEL, Addresses

HERE = Path(__file__).parent
PROTOS = HERE.parent.parent / "protos"
BIN = Path(sys.executable).parent
INCLUDED = ("google/rpc/status.proto", "google/rpc/error_details.proto")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """attribute.mjs, with the packages that it needs installed beside it."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "attribute.mjs"):
        shutil.copy(HERE / "node" / name, folder)
    command = [str(BIN / "npm"), "install", "--no-audit", "--no-fund", "--no-package-lock"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False)
    assert installed.returncode == 0, installed.stderr
    return folder / "attribute.mjs"


@pytest.fixture(scope="module")
def google() -> Path:
    """The folder that googleapis-common-protos installs google/rpc/*.proto into."""
    folder = Path(error_details_pb2.__file__).parents[2]
    assert [name for name in INCLUDED if not (folder / name).exists()] == []
    return folder


@pytest.fixture(scope="module")
def said(program: Path, google: Path, cluster: Addresses, cat_path: Path) -> dict[str, Any]:
    """What the program printed."""
    command = [str(BIN / "node"), str(program), cluster.server, str(PROTOS), str(google), str(cat_path), MODEL]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def expected(cluster: Addresses, cat_path: Path) -> Attribution:
    with Client.connect(cluster.server) as client:
        return client.attribute(cat_path, model=MODEL, method="grad_cam")


def test_node_lists_the_models_of_the_sdk(said: dict[str, Any], cluster_client: Client) -> None:
    listed = [(f"models/{model.name}", f"MODEL_STATE_{model.state.upper()}") for model in cluster_client.models()]
    assert [(model["name"], model["state"]) for model in said["models"]] == listed


def test_node_classifies_as_the_sdk_does(said: dict[str, Any], expected: Attribution) -> None:
    best = expected.predictions[:3]
    assert [(one["index"], one["label"]) for one in said["predictions"]] == [(one.index, one.label) for one in best]
    probabilities = [one.probability for one in best]
    assert [one["probability"] for one in said["predictions"]] == pytest.approx(probabilities, abs=1e-5)


def test_node_gets_the_attribution_of_the_sdk(said: dict[str, Any], expected: Attribution) -> None:
    assert (said["target"]["label"], said["layer"]) == (class_of(expected).label, expected.layer)
    assert (said["target_name"], said["reduction"]) == (expected.target_name, "REDUCTION_SUM")
    assert said["explained"] == pytest.approx(expected.explained, rel=1e-4)
    assert said["data_type"] == "DATA_TYPE_FLOAT32"
    assert tuple(said["region"][edge] for edge in ("left", "top", "right", "bottom")) == expected.region
    assert_close(to_array(said), expected.values)
    assert_close(to_array(said["heatmap"]), expected.heatmap)


def test_node_reads_code_reason_and_field_of_an_error(
    said: dict[str, Any], cluster_client: Client, cat_path: Path
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        cluster_client.attribute(cat_path, model=MODEL, method="grad_cam", layer="blocks.99")
    refusal = said["refusal"]
    assert refusal["code"] == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert refusal["message"] == caught.value.message
    info = refusal["details"]["google.rpc.ErrorInfo"]
    assert (info["reason"], info["domain"]) == ("UNKNOWN_LAYER", "convscope")
    (violation,) = refusal["details"]["google.rpc.BadRequest"]["field_violations"]
    assert violation["field"] == caught.value.field
    assert violation["reason"] == caught.value.reason == "UNKNOWN_LAYER"


def test_node_compares_and_analyses_a_failure(said: dict[str, Any], expected: Attribution) -> None:
    assert said["compared"] == [expected.target_name, "tabby"]
    assert said["failure"] == {"correct": False, "said": expected.target_name, "truth": "tabby"}


def test_node_watches_a_long_method(said: dict[str, Any]) -> None:
    progress = said["watched"]["progress"]
    assert progress == sorted(progress)
    assert progress[-1] == [16, 16]
    assert said["watched"]["answers"] == 1


def test_node_streams(said: dict[str, Any], expected: Attribution) -> None:
    code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert said["stream"] == {"right": class_of(expected).label, "wrong": code}


def to_array(tensor: dict[str, Any]) -> NDArray[np.float32]:
    """shape and little-endian float32, as the contract says."""
    return np.frombuffer(base64.b64decode(tensor["data"]), "<f4").reshape(tensor["shape"])
