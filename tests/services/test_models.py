"""Models are listed, described, loaded and unloaded."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model as EngineModel
from convscope.v1.model_service_pb2 import (
    GetModelRequest,
    ListModelsRequest,
    LoadModelRequest,
    Model,
    ModelState,
    UnloadModelRequest,
)
from tests.processes import wait_until
from tests.services.calls import SECONDS, Stubs, refusal
from tests.services.held import TeamServer, assert_same, question

UNLOADED, LOADING, LOADED, FAILED = (
    ModelState.MODEL_STATE_UNLOADED,
    ModelState.MODEL_STATE_LOADING,
    ModelState.MODEL_STATE_LOADED,
    ModelState.MODEL_STATE_FAILED,
)
BOTH = ("efficientnet_lite0", "resnet18_seeded")


def pages(stubs: Stubs, size: int) -> list[list[Model]]:
    """Every page, until one without a token for the next."""
    found: list[list[Model]] = []
    token = ""
    while True:
        response = stubs.list_models(ListModelsRequest(page_size=size, page_token=token), timeout=SECONDS)
        found.append(list(response.models))
        token = response.next_page_token
        if not token:
            return found


def get(stubs: Stubs, name: str) -> Model:
    return stubs.get_model(GetModelRequest(name=f"models/{name}"), timeout=SECONDS).model


def load(stubs: Stubs, name: str) -> Model:
    return stubs.load_model(LoadModelRequest(name=f"models/{name}"), timeout=SECONDS).model


def unload(stubs: Stubs, name: str) -> Model:
    return stubs.unload_model(UnloadModelRequest(name=f"models/{name}"), timeout=SECONDS).model


def test_the_list_is_the_catalogue_in_the_order_of_names(stubs: Stubs) -> None:
    ((*models,),) = pages(stubs, 0)
    names = [model.name.removeprefix("models/") for model in models]
    assert names == sorted([*Catalogue.read(), "resnet18_seeded"])
    assert all(model.name.startswith("models/") for model in models)
    assert all(model.description for model in models)


@pytest.mark.parametrize("size", [1, 3, 17, 1000])
def test_pages_walk_the_whole_list_in_order_and_none_is_too_long(size: int, stubs: Stubs) -> None:
    ((*models,),) = pages(stubs, 0)
    walked = pages(stubs, size)
    assert [model.name for page in walked for model in page] == [model.name for model in models]
    assert all(len(page) == min(size, len(models)) for page in walked[:-1])
    assert 1 <= len(walked[-1]) <= size
    assert len(walked) == -(-len(models) // size)


def test_the_list_tells_states_and_leaves_out_what_is_long(stubs: Stubs) -> None:
    found = {model.name.removeprefix("models/"): model for page in pages(stubs, 3) for model in page}
    for name, model in found.items():
        assert model.state == (LOADED if name in BOTH else UNLOADED)
        assert [replica.state for replica in model.replicas] == [model.state]
        assert model.HasField("card") == (name in BOTH)
    card = found["resnet18_seeded"].card
    assert card.weights_digest
    assert not card.labels
    assert not card.layers


@pytest.mark.parametrize("name", BOTH)
def test_the_card_says_what_the_model_is(name: str, stubs: Stubs, models_here: dict[str, EngineModel]) -> None:
    card, here = get(stubs, name).card, models_here[name]
    assert card.weights_digest == here.weights_digest
    assert len(card.weights_digest) == 64
    assert card.class_count == 1000
    assert list(card.labels) == list(here.labels)
    assert card.labels[281] == "tabby"
    assert card.parameter_count == sum(parameter.numel() for parameter in here.module.parameters())
    assert card.device == "cpu"
    assert [layer.name for layer in card.layers] == [layer.name for layer in here.layers.layers]
    modules = dict(here.module.named_modules())
    for layer in card.layers:
        assert layer.type == type(modules[layer.name]).__name__
        assert layer.calls >= 1


def test_the_card_tells_preprocessing_and_layers_in_numbers(stubs: Stubs) -> None:
    lite0, resnet = (get(stubs, name).card for name in BOTH)
    preprocessing = lite0.preprocessing
    assert (preprocessing.resize, preprocessing.height, preprocessing.width) == (256, 224, 224)
    assert preprocessing.interpolation == "bicubic"
    assert list(preprocessing.mean) == pytest.approx([127 / 255] * 3)
    assert list(preprocessing.std) == pytest.approx([128 / 255] * 3)
    assert resnet.preprocessing.interpolation == "bilinear"
    assert list(resnet.preprocessing.mean) == pytest.approx([0.485, 0.456, 0.406])
    shapes = {layer.name: list(layer.output_shape) for layer in resnet.layers}
    assert shapes["conv1"] == [64, 112, 112]
    assert shapes["layer4"] == [512, 7, 7]
    assert shapes["fc"] == [1000]
    assert (lite0.suggested_layer, resnet.suggested_layer) == ("head", "layer4")
    assert resnet.parameter_count == 11_689_512


def test_a_model_that_is_not_loaded_has_no_card(stubs: Stubs) -> None:
    model = get(stubs, "resnet50")
    assert model.state == UNLOADED
    assert not model.HasField("card")


def test_a_bare_name_will_do(stubs: Stubs) -> None:
    found = stubs.get_model(GetModelRequest(name="resnet18_seeded"), timeout=SECONDS).model
    assert found == get(stubs, "resnet18_seeded")
    assert found.name == "models/resnet18_seeded"


def test_loading_and_unloading_may_be_repeated(team: TeamServer) -> None:
    asked = question(1, "spare")
    loads_before = count_log(team, "loading")
    for _ in range(2):
        model = load(team.stubs, "spare")
        assert model.state == LOADED
        assert model == get(team.stubs, "spare")
        assert model.card.layers
    assert count_log(team, "loading") == loads_before + 1
    assert_same(team.stubs.attribute(asked, timeout=SECONDS), team.ask(1))
    for _ in range(2):
        assert unload(team.stubs, "spare").state == UNLOADED
    found = refusal(lambda: team.stubs.attribute(asked, timeout=SECONDS))
    assert (found.code, found.reason, found.field) == ("FAILED_PRECONDITION", "MODEL_NOT_LOADED", "model")
    assert load(team.stubs, "spare").state == LOADED
    assert_same(team.stubs.attribute(asked, timeout=SECONDS), team.ask(1))
    assert unload(team.stubs, "spare").state == UNLOADED


def count_log(team: TeamServer, event: str) -> int:
    return sum(f'"event": "{event}"' in line for line in team.process.log)


def test_callers_who_load_a_model_at_once_share_one_load(team: TeamServer) -> None:
    loads_before = count_log(team, "loading")
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: load(team.stubs, "spare"), range(8)))
    assert {model.state for model in loaded} == {LOADED}
    assert count_log(team, "loading") == loads_before + 1
    unload(team.stubs, "spare")


def test_while_a_model_loads_it_says_so_and_the_others_are_served(team: TeamServer) -> None:
    loading = team.pool.submit(load, team.stubs, "slow")
    wait_until(lambda: get(team.stubs, "slow").state == LOADING, "the load to begin")
    found = refusal(lambda: team.ask(1, "slow"))
    assert (found.code, found.reason) == ("UNAVAILABLE", "MODEL_LOADING")
    assert team.ask(1).attribution.data
    assert not loading.done()
    (team.gates / "slow").touch()
    assert loading.result(SECONDS).state == LOADED
    assert team.ask(1, "slow").attribution.data
    unload(team.stubs, "slow")


def test_unloading_answers_every_accepted_call_first(team: TeamServer) -> None:
    load(team.stubs, "spare")
    lone = {number: team.ask(number, "spare") for number in range(20)}
    with team.held("spare") as held:
        accepted = {number: team.send(question(number, "spare")) for number in lone}
        team.wait_until_queued(20, "spare")
        unloading = team.pool.submit(unload, team.stubs, "spare")
        found = wait_until(lambda: refused(team, "spare"), "new calls to be refused")
        assert found == ("FAILED_PRECONDITION", "MODEL_NOT_LOADED")
        assert not unloading.done()
        held.release()
        for number, call in accepted.items():
            assert_same(call.result(SECONDS), lone[number])
        assert unloading.result(SECONDS).state == UNLOADED
    assert refused(team, "spare") == ("FAILED_PRECONDITION", "MODEL_NOT_LOADED")


def refused(team: TeamServer, model: str) -> tuple[str, str] | None:
    """How a new call for a model is refused; None while the model takes calls."""
    if get(team.stubs, model).state == LOADED:
        return None
    found = refusal(lambda: team.ask(1, model))
    return found.code, found.reason


def test_a_load_that_fails_says_why_and_the_server_goes_on(team: TeamServer) -> None:
    for _ in range(2):
        found = refusal(lambda: load(team.stubs, "broken"))
        assert (found.code, found.reason) == ("FAILED_PRECONDITION", "MODEL_UNLOADABLE")
        assert "ValueError: no such luck" in found.message
        assert "broken" in found.message
        assert found.domain == "convscope"
    model = get(team.stubs, "broken")
    assert model.state == FAILED
    assert "no such luck" in model.replicas[0].message
    asked = refusal(lambda: team.ask(1, "broken"))
    assert (asked.code, asked.reason, asked.field) == ("FAILED_PRECONDITION", "MODEL_NOT_LOADED", "model")
    assert "no such luck" in asked.message
    assert team.ask(1).attribution.data


def test_a_load_that_fails_at_length_in_another_script_still_fits_into_the_trailers(team: TeamServer) -> None:
    for call in (lambda: load(team.stubs, "wordy"), lambda: team.ask(1, "wordy")):
        found = refusal(call)
        assert found.code == "FAILED_PRECONDITION"
        assert "猫猫猫" in found.message
        assert found.size < 3 * 1024


def test_a_load_that_failed_may_be_tried_again(team: TeamServer) -> None:
    assert "not there yet" in refusal(lambda: load(team.stubs, "late")).message
    (team.gates / "its time").touch()
    assert load(team.stubs, "late").state == LOADED
    assert team.ask(1, "late").attribution.data
    unload(team.stubs, "late")
