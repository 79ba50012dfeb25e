"""The synchronous client: models, classes, targets, and its life from connect to close."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc_health.v1 import health_pb2

from convscope.client import Attribution, Client, FailedPrecondition, Layer, Prediction
from tests.clients.answers import assert_close, assert_same_answer, class_of
from tests.clients.conftest import Ask
from tests.clients.names import CATS, LITE, RESNET, UNLOADED
from tests.clients.stand_in import PAGE, StandIn, standing_in
from tests.processes import ServerProcess

TABBY = 281


def test_models_lists_the_catalogue_in_the_order_of_names(client: Client) -> None:
    models = client.models()
    names = [model.name for model in models]
    assert names == sorted(names)
    assert {LITE, RESNET, "resnet50", "vgg16"} <= set(names)
    by_name = {model.name: model for model in models}
    assert by_name[LITE].state == "loaded"
    assert by_name["vgg16"].state == "unloaded"
    assert all(not model.labels and not model.layers for model in models)


def test_models_follows_every_page() -> None:
    names = tuple(f"model{number:03}" for number in range(2 * PAGE + 3))
    with standing_in(StandIn(models=names)) as server, Client.connect(server.address) as client:
        assert tuple(model.name for model in client.models()) == names
        assert server.calls == 3


def test_model_tells_all_about_a_loaded_model(client: Client) -> None:
    model = client.model(LITE)
    assert (model.name, model.state, model.device) == (LITE, "loaded", "cpu")
    assert model.preprocessing is not None
    assert (model.preprocessing.height, model.preprocessing.width) == (224, 224)
    assert model.class_count == len(model.labels) == 1000
    assert model.labels[TABBY] == "tabby"
    assert model.parameter_count == 4_652_008
    assert model.suggested_layer in [layer.name for layer in model.layers]
    assert len(model.weights_digest) == 64
    assert [replica.state for replica in model.replicas] == ["loaded"]


def test_a_resource_name_will_do_for_a_name(client: Client) -> None:
    assert client.model(f"models/{LITE}") == client.model(LITE)


def test_layers_are_those_of_the_network_in_the_order_of_a_pass(client: Client) -> None:
    layers = client.layers(RESNET)
    assert layers == client.model(RESNET).layers
    assert layers[0] == Layer("conv1", "Conv2d", (64, 112, 112), 1)
    assert layers[-1] == Layer("fc", "Linear", (1000,), 1)
    assert Layer("layer4.1", "BasicBlock", (512, 7, 7), 1) in layers


def test_layers_of_a_model_that_is_not_loaded_are_not_known(client: Client) -> None:
    with pytest.raises(FailedPrecondition, match="once it is loaded") as caught:
        client.layers("vgg16")
    assert caught.value.reason == "MODEL_NOT_LOADED"


def test_classify_gives_the_most_probable_classes_best_first(client: Client, cat_path: Path) -> None:
    found = client.classify(cat_path, model=LITE, top_k=7)
    assert len(found) == 7
    assert found[0].index in CATS
    probabilities = [prediction.probability for prediction in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1
    assert str(found[0]) == f"{found[0].label} {found[0].probability:.1%}"


def test_classify_gives_five_classes_where_nothing_is_said(client: Client, cat_path: Path) -> None:
    assert len(client.classify(cat_path, model=LITE)) == 5


def test_a_classification_is_a_sequence(client: Client, cat_path: Path) -> None:
    found = client.classify(cat_path, model=LITE, top_k=3)
    assert list(found) == [found[0], found[1], found[2]] == list(found[:3])
    assert found[-1] in found
    with pytest.raises(IndexError):
        found[3]


def test_all_classes_are_probable_together(client: Client, cat_path: Path) -> None:
    found = client.classify(cat_path, model=LITE, top_k=1000)
    assert sorted(prediction.index for prediction in found) == list(range(1000))
    assert sum(prediction.probability for prediction in found) == pytest.approx(1, abs=1e-4)
    scores = np.array([prediction.score for prediction in found], dtype=np.float64)
    softmax = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose([prediction.probability for prediction in found], softmax, rtol=1e-4, atol=1e-7)


def test_attribute_and_classify_say_the_same_classes(client: Client, explained: Attribution, cat_path: Path) -> None:
    found = client.classify(cat_path, model=LITE)
    assert found.region == explained.region
    assert_same_predictions(found.predictions, explained.predictions)


def test_without_a_target_the_top_class_is_explained(explained: Attribution) -> None:
    assert explained.target == explained.predictions[0]


@pytest.mark.parametrize("target", [TABBY, "tabby", "TABBY", np.int64(TABBY), np.uint16(TABBY)], ids=repr)
def test_a_target_is_an_index_or_a_label(ask: Ask, explained: Attribution, cat_path: Path, target: Any) -> None:
    answer = ask(cat_path, target=target)
    assert (class_of(answer).index, class_of(answer).label) == (TABBY, "tabby")
    assert_same_predictions(answer.predictions, explained.predictions)
    assert np.abs(answer.values - explained.values).max() > 0.01, "another class, another explanation"


def test_the_top_class_by_name_is_explained_as_by_default(ask: Ask, explained: Attribution, cat_path: Path) -> None:
    assert_same_answer(ask(cat_path, target=class_of(explained).label), explained)


def test_top_k_says_how_many_predictions_come(ask: Ask, cat_path: Path) -> None:
    assert len(ask(cat_path).predictions) == 5
    assert len(ask(cat_path, top_k=2).predictions) == 2
    assert ask(cat_path, top_k=0).predictions == ()


def test_the_layer_is_the_suggested_one_or_the_one_asked_for(client: Client, ask: Ask, cat_path: Path) -> None:
    suggested = ask(cat_path, model=RESNET)
    assert suggested.layer == client.model(RESNET).suggested_layer
    assert suggested.values.shape == (1, 7, 7)
    earlier = ask(cat_path, model=RESNET, layer="layer2")
    assert earlier.layer == "layer2"
    assert earlier.values.shape == (1, 28, 28)


def test_a_parameter_that_is_none_is_left_to_the_server(ask: Ask, explained: Attribution, cat_path: Path) -> None:
    assert_same_answer(ask(cat_path, layer=None, relu=None), explained)


def test_relu_false_keeps_the_evidence_against(ask: Ask, cat_path: Path) -> None:
    signed = ask(cat_path, layer="blocks.10", relu=False)
    assert signed.values.min() < 0
    assert_close(ask(cat_path, layer="blocks.10").values, np.maximum(signed.values, 0))


def test_saliency_has_the_shape_of_the_models_input(ask: Ask, cat_path: Path) -> None:
    answer = ask(cat_path, method="saliency")
    assert (answer.values.shape, answer.layer) == ((1, 224, 224), "")
    assert answer.values.min() >= 0
    signed = ask(cat_path, method="saliency", abs=False)
    assert signed.values.min() < 0
    assert_close(np.abs(signed.values), answer.values)


def test_a_model_is_loaded_and_unloaded_by_name(client: Client, ask: Ask, cat_path: Path) -> None:
    try:
        loaded = client.load_model(UNLOADED)
        assert (loaded.name, loaded.state) == (UNLOADED, "loaded")
        assert loaded.layers
        assert client.model(UNLOADED).state == "loaded"
        assert client.load_model(UNLOADED).weights_digest == loaded.weights_digest
        assert class_of(ask(cat_path, model=UNLOADED)).index in CATS
    finally:
        unloaded = client.unload_model(UNLOADED)
    assert (unloaded.state, unloaded.layers) == ("unloaded", ())
    assert client.unload_model(UNLOADED).state == "unloaded"
    with pytest.raises(FailedPrecondition) as caught:
        ask(cat_path, model=UNLOADED)
    assert (caught.value.reason, caught.value.field) == ("MODEL_NOT_LOADED", "model")


def test_ready_says_whether_the_server_is_healthy(client: Client) -> None:
    assert client.ready() is True
    server = StandIn()
    server.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    with standing_in(server), Client.connect(server.address) as unready:
        assert unready.ready() is False


def test_the_end_of_the_with_block_closes_the_client(server: ServerProcess) -> None:
    with Client.connect(server.address) as client:
        assert client.ready()
    with pytest.raises(ValueError, match="closed"):
        client.models()
    client.close()


def test_a_client_is_closed_by_hand_as_well(server: ServerProcess) -> None:
    client = Client(server.address)
    assert client.ready()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.ready()


@pytest.mark.parametrize(
    "ask_for",
    [
        lambda client, path: client.models(),
        lambda client, path: client.model(LITE),
        lambda client, path: client.classify(path, model=LITE),
    ],
    ids=["models", "model", "classify"],
)
def test_what_calls_return_can_be_pickled_and_printed(
    client: Client, cat_path: Path, ask_for: Callable[[Client, Path], object]
) -> None:
    found = ask_for(client, cat_path)
    assert pickle.loads(pickle.dumps(found)) == found
    assert len(repr(found)) < 10_000


def test_an_attribution_can_be_pickled_and_printed(explained: Attribution) -> None:
    explained.overlay()
    again = pickle.loads(pickle.dumps(explained))
    assert_same_answer(again, explained)
    assert again.overlay().tobytes() == explained.overlay().tobytes()
    assert len(repr(explained)) < 3_000


def test_eight_threads_share_one_client(client: Client, photographs: dict[str, Path]) -> None:
    methods: list[dict[str, Any]] = [
        {"method": "saliency"},
        {"method": "grad_cam"},
        {"method": "grad_cam", "relu": False, "target": TABBY},
    ]
    questions: list[dict[str, Any]] = [
        {"image": path, "model": model, **method}
        for path in photographs.values()
        for model in (LITE, RESNET)
        for method in methods
    ]
    alone = [client.attribute(**question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda question: client.attribute(**question), questions * 3))
    for answer, expected in zip(together, alone * 3, strict=True):
        assert_same_answer(answer, expected)


def assert_same_predictions(found: tuple[Prediction, ...], expected: tuple[Prediction, ...]) -> None:
    """The same classes, of the same probability within rounding."""
    assert [(one.index, one.label) for one in found] == [(one.index, one.label) for one in expected]
    expected_probabilities = [one.probability for one in expected]
    assert [one.probability for one in found] == pytest.approx(expected_probabilities, abs=1e-5)
