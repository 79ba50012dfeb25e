"""Filters, activations and feature vectors through the server, against the engine and a slow reference."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor, nn

from convscope.client.tensors import from_array, to_array
from convscope.engine.models.model import Model
from convscope.v1.image_pb2 import Image
from convscope.v1.inspection_service_pb2 import (
    NORMALIZATION_COMMON,
    EmbedRequest,
    FindNeighborsRequest,
    FindPatchesRequest,
    GetActivationsRequest,
    GetFiltersRequest,
    Grid,
)
from convscope.v1.tensor_pb2 import DataType
from tests.engine.rounding import assert_same_but_rounding
from tests.services.calls import SECONDS, Stubs, refusal
from tests.services.pictures import noise, to_file

LITE0, RESNET = "models/efficientnet_lite0", "models/resnet18_seeded"
UINT8 = DataType.DATA_TYPE_UINT8
COLLECTION = "collections/nothing"


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return to_file(noise(320, 240), "JPEG")


def seen(model: Model, file: bytes) -> Tensor:
    """The picture as the network takes it, [1, 3, H, W]."""
    pixels, _ = model.preprocessing.crop(PillowImage.open(BytesIO(file)).convert("RGB"))
    return model.preprocessing.normalize(pixels.unsqueeze(0))


@torch.no_grad()
def watched(model: Model, images: Tensor, layer: str) -> Tensor:
    """What a layer of the original network gives, before anything may write into it."""
    found: list[Tensor] = []
    handle = model.module.get_submodule(layer).register_forward_hook(lambda _, __, out: found.append(out.clone()))
    try:
        model.module(images)
    finally:
        handle.remove()
    return found[-1]


def as_png(data: bytes) -> NDArray[np.uint8]:
    picture = PillowImage.open(BytesIO(data))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB"))


def test_filters_are_the_weights_as_loaded(stubs: Stubs, models_here: dict[str, Model]) -> None:
    response = stubs.get_filters(GetFiltersRequest(model=RESNET, layer="conv1", grid=Grid()), timeout=SECONDS)
    weights = to_array(response.weights)
    assert np.array_equal(weights, models_here["resnet18_seeded"].module.state_dict()["conv1.weight"].numpy())
    assert (list(response.outputs), list(response.inputs), response.groups) == (list(range(64)), [0, 1, 2], 1)
    assert as_png(response.grid).std() > 10, "there is something to see"


def test_some_filters_come_in_the_order_asked_for(stubs: Stubs, models_here: dict[str, Model]) -> None:
    request = GetFiltersRequest(
        model=RESNET, layer="layer3.0.conv1", outputs=[7, 2], inputs=[5], data_type=DataType.DATA_TYPE_FLOAT16
    )
    response = stubs.get_filters(request, timeout=SECONDS)
    whole = models_here["resnet18_seeded"].module.state_dict()["layer3.0.conv1.weight"]
    assert np.array_equal(to_array(response.weights), whole[[7, 2]][:, [5]].half().numpy())
    assert (list(response.outputs), list(response.inputs)) == ([7, 2], [5])
    assert response.grid == b""


def test_a_common_normalization_draws_otherwise(stubs: Stubs) -> None:
    def drawn(grid: Grid) -> bytes:
        return bytes(stubs.get_filters(GetFiltersRequest(model=RESNET, layer="conv1", grid=grid)).grid)

    each, common = drawn(Grid()), drawn(Grid(normalization=NORMALIZATION_COMMON))
    assert as_png(each).shape == as_png(common).shape
    assert each != common


@pytest.mark.parametrize(("model", "layer"), [(LITE0, "blocks.2"), (RESNET, "layer1.0.relu"), (RESNET, "bn1")])
def test_activations_are_the_layers_answer(
    stubs: Stubs, models_here: dict[str, Model], jpeg: bytes, model: str, layer: str
) -> None:
    here = models_here[model.removeprefix("models/")]
    request = GetActivationsRequest(model=model, image=Image(encoded=jpeg), layers=[layer], grid=Grid(), top_k=2)
    response = stubs.get_activations(request, timeout=SECONDS)
    (found,) = response.activations
    expected = watched(here, seen(here, jpeg), layer)
    assert_same_but_rounding(torch.from_numpy(to_array(found.values).copy())[None], expected)
    assert (found.layer, list(found.channels)) == (layer, list(range(expected.shape[1])))
    assert found.channel_count == expected.shape[1]
    assert len(response.predictions) == 2
    assert response.region.right > response.region.left
    assert as_png(found.grid).std() > 10


@pytest.mark.parametrize("order", ["ORDER_MAXIMUM", "ORDER_MEAN"])
def test_channels_come_sorted_and_no_more_than_wished(
    stubs: Stubs, models_here: dict[str, Model], jpeg: bytes, order: str
) -> None:
    here = models_here["resnet18_seeded"]
    request = GetActivationsRequest(
        model=RESNET,
        image=Image(encoded=jpeg),
        layers=["layer2"],
        order=order,
        limit=5,
    )
    (found,) = stubs.get_activations(request, timeout=SECONDS).activations
    flat = watched(here, seen(here, jpeg), "layer2")[0].flatten(1)
    keys = flat.amax(1) if order == "ORDER_MAXIMUM" else flat.mean(1)
    assert list(found.channels) == keys.argsort(descending=True)[:5].tolist()
    assert to_array(found.values).shape == (5, 28, 28)


def test_several_layers_share_a_pass_and_keep_their_order(stubs: Stubs, jpeg: bytes) -> None:
    layers = ["layer4", "conv1", "fc"]
    request = GetActivationsRequest(model=RESNET, image=Image(encoded=jpeg), layers=layers, channels=[3, 1])
    response = stubs.get_activations(request, timeout=SECONDS)
    assert [one.layer for one in response.activations] == layers
    assert [list(one.channels) for one in response.activations] == [[3, 1]] * 3
    assert [list(one.values.shape) for one in response.activations] == [[2, 7, 7], [2, 112, 112], [2]]
    score = response.predictions[0]
    alone = GetActivationsRequest(model=RESNET, image=Image(encoded=jpeg), layers=["fc"], channels=[score.index])
    (found,) = stubs.get_activations(alone, timeout=SECONDS).activations
    assert to_array(found.values)[0] == pytest.approx(score.score, rel=1e-5)


def test_embeddings_are_what_the_classifier_is_given(stubs: Stubs, models_here: dict[str, Model]) -> None:
    files = [to_file(noise(200 + 40 * place, 240), "JPEG") for place in range(5)]
    request = EmbedRequest(model=LITE0, images=[Image(encoded=file) for file in files])
    found = to_array(stubs.embed(request, timeout=SECONDS).embeddings)
    here = models_here["efficientnet_lite0"]
    linear = [part for part in here.module.modules() if isinstance(part, nn.Linear)][-1]
    given: list[Tensor] = []
    handle = linear.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    with torch.no_grad():
        for file in files:
            here.module(seen(here, file))
    handle.remove()
    assert found.dtype == np.float32
    assert_same_but_rounding(torch.from_numpy(found.copy()), torch.cat(given))


def test_embeddings_of_a_layer_are_its_mean(stubs: Stubs, models_here: dict[str, Model], jpeg: bytes) -> None:
    request = EmbedRequest(model=RESNET, images=[Image(encoded=jpeg)], layer="layer3")
    response = stubs.embed(request, timeout=SECONDS)
    here = models_here["resnet18_seeded"]
    expected = watched(here, seen(here, jpeg), "layer3").mean((2, 3))
    assert_same_but_rounding(torch.from_numpy(to_array(response.embeddings).copy()), expected)
    assert response.layer == "layer3"


def test_callers_at_once_get_what_each_would_get_alone(stubs: Stubs) -> None:
    files = [to_file(noise(240, 240 + 8 * place), "JPEG") for place in range(12)]

    def vector(file: bytes) -> NDArray[np.float32]:
        return to_array(stubs.embed(EmbedRequest(model=RESNET, images=[Image(encoded=file)])).embeddings)

    def maps(file: bytes) -> NDArray[np.float32]:
        request = GetActivationsRequest(model=RESNET, image=Image(encoded=file), layers=["layer2"])
        return to_array(stubs.get_activations(request).activations[0].values)

    alone = [(vector(file), maps(file)) for file in files]
    with ThreadPoolExecutor(12) as pool:
        vectors, all_maps = pool.map(vector, files), pool.map(maps, files)
        together = list(zip(vectors, all_maps, strict=True))
    for (one, many), (other, others) in zip(together, alone, strict=True):
        assert_same_but_rounding(torch.from_numpy(one.copy()), torch.from_numpy(other.copy()))
        assert_same_but_rounding(torch.from_numpy(many.copy())[None], torch.from_numpy(others.copy())[None])


INVALID = "INVALID_ARGUMENT"
PREPROCESSED = Image(preprocessed=from_array(np.zeros((3, 224, 224), np.float32)))


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (GetFiltersRequest(model=RESNET, layer="bn1"), "LAYER_WITHOUT_FILTERS", "layer"),
        (GetFiltersRequest(model=RESNET, layer="conv9"), "UNKNOWN_LAYER", "layer"),
        (GetFiltersRequest(model=RESNET), "UNKNOWN_LAYER", "layer"),
        (GetFiltersRequest(model=RESNET, layer="conv1", outputs=[64]), "OUT_OF_RANGE", "outputs"),
        (GetFiltersRequest(model=RESNET, layer="conv1", inputs=[-1]), "OUT_OF_RANGE", "inputs"),
        (GetFiltersRequest(model=RESNET, layer="conv1", outputs=[0] * 65, inputs=[0]), "OUT_OF_RANGE", "outputs"),
        (GetFiltersRequest(model=RESNET, layer="conv1", data_type=UINT8), "OUT_OF_RANGE", "data_type"),
        (
            GetFiltersRequest(model=RESNET, layer="conv1", grid=Grid(colormap="mud")),
            "UNKNOWN_COLORMAP",
            "grid.colormap",
        ),
        (GetActivationsRequest(model=RESNET, image=PREPROCESSED), "OUT_OF_RANGE", "layers"),
        (GetActivationsRequest(model=RESNET, image=PREPROCESSED, layers=["conv1"] * 2), "OUT_OF_RANGE", "layers[1]"),
        (GetActivationsRequest(model=RESNET, image=PREPROCESSED, layers=["fc", "no"]), "UNKNOWN_LAYER", "layers[1]"),
        (GetActivationsRequest(model=RESNET, layers=["fc"]), "IMAGE_MISSING", "image"),
        (
            GetActivationsRequest(model=RESNET, image=PREPROCESSED, layers=["fc"], channels=[1000]),
            "OUT_OF_RANGE",
            "channels[0]",
        ),
        (
            GetActivationsRequest(model=RESNET, image=PREPROCESSED, layers=["fc"], channels=[1, 1]),
            "OUT_OF_RANGE",
            "channels[1]",
        ),
        (GetActivationsRequest(model=RESNET, image=PREPROCESSED, layers=["fc"], limit=-1), "OUT_OF_RANGE", "limit"),
        (GetActivationsRequest(model=RESNET, image=PREPROCESSED, layers=["fc"], grid=Grid()), "NO_PICTURE", "grid"),
        (GetActivationsRequest(model=RESNET, image=PREPROCESSED, layers=["fc"], top_k=1001), "OUT_OF_RANGE", "top_k"),
        (EmbedRequest(model=RESNET), "OUT_OF_RANGE", "images"),
        (EmbedRequest(model=RESNET, images=[PREPROCESSED] * 65), "OUT_OF_RANGE", "images"),
        (EmbedRequest(model=RESNET, images=[PREPROCESSED], layer="no"), "UNKNOWN_LAYER", "layer"),
        (
            EmbedRequest(model=RESNET, images=[PREPROCESSED, Image(encoded=b"no")]),
            "IMAGE_UNDECODABLE",
            "images[1].encoded",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_bad_input_is_named(stubs: Stubs, request_: object, reason: str, field: str) -> None:
    calls: dict[type, Any] = {
        GetFiltersRequest: stubs.get_filters,
        GetActivationsRequest: stubs.get_activations,
        EmbedRequest: stubs.embed,
    }
    call = calls[type(request_)]
    found = refusal(lambda: call(request_, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == (INVALID, reason, field), found.message


def test_a_model_that_is_not_loaded_is_told(stubs: Stubs) -> None:
    for call in (
        lambda: stubs.get_filters(GetFiltersRequest(model="models/vgg16", layer="features.0")),
        lambda: stubs.get_activations(GetActivationsRequest(model="models/vgg16")),
        lambda: stubs.embed(EmbedRequest(model="models/vgg16")),
    ):
        found = refusal(call)
        assert (found.code, found.reason) == ("FAILED_PRECONDITION", "MODEL_NOT_LOADED")


def test_a_server_without_a_store_knows_no_collections(stubs: Stubs) -> None:
    patches = FindPatchesRequest(collection=COLLECTION, model=RESNET, layer="layer3")
    neighbors = FindNeighborsRequest(collection=COLLECTION, model=RESNET, number=0)
    for found in (refusal(lambda: stubs.find_patches(patches)), refusal(lambda: stubs.find_neighbors(neighbors))):
        assert (found.code, found.reason) == ("UNAVAILABLE", "STORE_AWAY")
