"""Any message of its type gets an answer of the contract from the real servers, and they go on as before."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from convscope.v1.attribution_service_pb2 import AttributeRequest, AttributeStreamRequest, ClassifyRequest, Overlay
from convscope.v1.collection_service_pb2 import UploadImagesRequest
from convscope.v1.image_pb2 import Image
from convscope.v1.method_pb2 import Method
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DeepDreamRequest,
    InvertFeaturesRequest,
    VisualizeClassRequest,
)
from convscope.v1.target_pb2 import ClassReference
from convscope.v1.tensor_pb2 import DataType
from tests.fuzz.cluster import PNG, Cluster, Target
from tests.fuzz.contract import Rpc
from tests.fuzz.effort import inputs
from tests.fuzz.files import picture_files
from tests.fuzz.messages import Messages
from tests.fuzz.network import SIZE
from tests.fuzz.requests import hints
from tests.fuzz.tally import TALLY
from tests.fuzz.tensors import tensors
from tests.fuzz.verdict import assert_as_before, look
from tests.services.pictures import noise, to_file

SMALL = "models/small"
SQUARE = Image(encoded=to_file(noise(SIZE, SIZE)))
"""A picture that a synthesis can start from."""
LISTS = ("ListJobs", "ListCollections", "ListImages", "ListModels", "ListOperations", "ListPriors", "ListRecipes")
PLACES = ("WatchJob", "DownloadArtifact", "GetImage", "FindNeighbors", "FindPatches", "GetOperation", "WaitOperation")
EXPLAINING = ("Attribute", "Compare", "AnalyzeFailure", "GetFilters", "GetActivations", "FindPatches", "FindNeighbors")
MAKING = ("VisualizeClass", "VisualizeChannel", "DeepDream", "InvertFeatures", "CreateAdversarial", "TrainPrior")


@pytest.fixture(scope="package")
def asking(fuzzed: Cluster) -> Callable[[Rpc], st.SearchStrategy[Message]]:
    """Requests of an RPC."""
    messages = Messages(hints(fuzzed))
    return lambda rpc: messages.of(rpc.request)


def send(cluster: Cluster, target: Target, name: str, requests: list[Any], counted_as: str) -> None:
    rpc = target.rpc(name)
    with TALLY.counted(counted_as):
        outcome = target.send(rpc, [request.SerializeToString() for request in requests])
    alone = requests[0] if len(requests) == 1 and not rpc.takes_stream else None
    look(cluster, target, rpc, outcome, counted_as=counted_as, request=alone)


def some(cluster: Cluster, names: tuple[str, ...]) -> st.SearchStrategy[tuple[Target, Rpc]]:
    """Of the RPCs of both servers those with these names; all for none."""
    found = [(one, rpc) for one in cluster.targets.values() for rpc in one.rpcs if not names or rpc.name in names]
    return st.sampled_from(found)


def draw_and_send(
    data: st.DataObject, cluster: Cluster, asking: Callable[[Rpc], Any], names: tuple[str, ...], counted_as: str
) -> None:
    target, rpc = data.draw(some(cluster, names))
    count = data.draw(st.integers(0, 4)) if rpc.takes_stream else 1
    send(cluster, target, rpc.name, [data.draw(asking(rpc)) for _ in range(count)], counted_as)


@inputs(few=500, share=0.13)
@given(data=st.data())
def test_any_message_of_any_rpc(data: st.DataObject, fuzzed: Cluster, asking: Callable[[Rpc], Any]) -> None:
    draw_and_send(data, fuzzed, asking, (), "any message")


@inputs(few=350, share=0.08)
@given(data=st.data())
def test_targets_and_parameters_of_explanations(
    data: st.DataObject, fuzzed: Cluster, asking: Callable[[Rpc], Any]
) -> None:
    target, rpc = data.draw(some(fuzzed, EXPLAINING))
    request = data.draw(asking(rpc))
    request.model = SMALL
    if "image" in rpc.request.fields_by_name and rpc.name != "FindNeighbors":
        request.image.CopyFrom(Image(encoded=PNG))
    send(fuzzed, target, rpc.name, [request], "explanations")


@inputs(few=250, share=0.06)
@given(data=st.data())
def test_parameters_of_long_work(data: st.DataObject, fuzzed: Cluster, asking: Callable[[Rpc], Any]) -> None:
    target, rpc = data.draw(some(fuzzed, MAKING))
    request = data.draw(asking(rpc))
    request.model = SMALL
    if "image" in rpc.request.fields_by_name and request.HasField("image") and data.draw(st.integers(0, 3)):
        request.image.CopyFrom(SQUARE)
    send(fuzzed, target, rpc.name, [request], "long work")


@inputs(few=300, share=0.08)
@given(data=st.data(), file=picture_files())
def test_pictures(data: st.DataObject, file: bytes, fuzzed: Cluster) -> None:
    image, jobs = Image(encoded=file), fuzzed.jobs
    grad_cam = AttributeRequest(model=SMALL, image=image, method=Method(grad_cam={}), overlay={}, heatmap=True)
    grad_cam.overlay.format = data.draw(st.sampled_from([Overlay.FORMAT_PNG, Overlay.FORMAT_JPEG]))
    match data.draw(st.integers(0, 5)):
        case 0:
            send(fuzzed, fuzzed.attribution, "Classify", [ClassifyRequest(model=SMALL, image=image)], "pictures")
        case 1:
            send(fuzzed, fuzzed.attribution, "Attribute", [grad_cam], "pictures")
        case 2:
            several = [AttributeStreamRequest(id=str(number), request=grad_cam) for number in range(3)]
            send(fuzzed, fuzzed.attribution, "AttributeStream", several, "pictures")
        case 3:
            upload = UploadImagesRequest(collection=fuzzed.scratch, file_name="a", content=file)
            send(fuzzed, jobs, "UploadImages", [upload], "pictures")
        case 4:
            start = VisualizeClassRequest(model=SMALL, targets=[ClassReference(index=0)], image=image)
            send(fuzzed, jobs, "VisualizeClass", [start], "pictures")
        case _:
            send(fuzzed, jobs, "DeepDream", [DeepDreamRequest(model=SMALL, image=image, guide=image)], "pictures")


@inputs(few=200, share=0.04)
@given(data=st.data(), tensor=tensors(DataType.DATA_TYPE_FLOAT32))
def test_features(data: st.DataObject, tensor: Any, fuzzed: Cluster) -> None:
    # Of a model without a card nobody knows the layers' shapes.
    model = data.draw(st.sampled_from([SMALL, "models/unknown"]))
    request = InvertFeaturesRequest(model=model, features=tensor, layers=["features.0"])
    send(fuzzed, fuzzed.jobs, "InvertFeatures", [request], "features")


@inputs(few=200, share=0.04)
@given(data=st.data(), tensor=tensors())
def test_tensors(data: st.DataObject, tensor: Any, fuzzed: Cluster) -> None:
    pixels = tensor.data_type == DataType.DATA_TYPE_UINT8 or not data.draw(st.integers(0, 5))
    image = Image(pixels=tensor) if pixels else Image(preprocessed=tensor)
    match data.draw(st.integers(0, 2)):
        case 0:
            send(fuzzed, fuzzed.attribution, "Classify", [ClassifyRequest(model=SMALL, image=image)], "tensors")
        case 1:
            request = AttributeRequest(model=SMALL, image=image, method=Method(saliency={}), heatmap=True)
            send(fuzzed, fuzzed.attribution, "Attribute", [request], "tensors")
        case _:
            attack = CreateAdversarialRequest(model=SMALL, image=image)
            send(fuzzed, fuzzed.jobs, "CreateAdversarial", [attack], "tensors")


@inputs(few=300, share=0.06)
@given(data=st.data())
def test_page_tokens_names_and_numbers(data: st.DataObject, fuzzed: Cluster, asking: Callable[[Rpc], Any]) -> None:
    draw_and_send(data, fuzzed, asking, LISTS + PLACES, "pages, names, numbers")


def test_the_servers_are_as_they_were(fuzzed: Cluster) -> None:
    assert_as_before(fuzzed)
