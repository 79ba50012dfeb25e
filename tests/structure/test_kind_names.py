"""A kind of long work has one name: its queue, its work, its RPC, its SDK call and its command."""

import pytest
from typer.main import get_command

from convscope.client import AsyncClient, AsyncCollection, Client, Collection, job_plans
from convscope.client.cli.app import app
from convscope.services.common.jobs.kinds import EVALUATION_KINDS, KINDS, SHARED_KINDS, SYNTHESIS_KINDS, TRAIN_PRIOR
from convscope.services.jobs.responses import RESPONSES
from convscope.v1 import collection_service_pb2, evaluation_service_pb2
from convscope.v1.synthesis_service_pb2 import DESCRIPTOR
from convscope.web.dream.job_titles import JOB_TITLES
from convscope.workers.kinds import PLANS, WORK

# The command is what people say.
COMMANDS = {"deep_dream": "dream", "invert_features": "invert", "create_adversarial": "adversarial"}
# They are answered at once.
QUICK_RPCS = {"ListRecipes", "ListPriors", "GetPrior"}


def test_every_table_has_every_kind() -> None:
    assert len(KINDS) == len(set(KINDS)) >= 2
    for table in (WORK, RESPONSES, job_plans.KINDS, JOB_TITLES):
        assert set(table) == set(KINDS)
    assert set(PLANS) == set(SHARED_KINDS)


@pytest.mark.parametrize("kind", SYNTHESIS_KINDS)
def test_the_call_has_its_name_everywhere(kind: str) -> None:
    name = "".join(part.capitalize() for part in kind.split("_"))
    rpc = DESCRIPTOR.services_by_name["SynthesisService"].methods_by_name[name]
    assert rpc.input_type.name == f"{name}Request"
    assert f"{name}Response" in DESCRIPTOR.message_types_by_name
    assert callable(getattr(Client, kind))
    assert callable(getattr(AsyncClient, kind))
    commands = getattr(get_command(app), "commands", {})
    assert COMMANDS.get(kind, kind.replace("_", "-")) in commands


def test_there_is_no_rpc_without_a_kind_but_the_quick_ones() -> None:
    rpcs = {method.name for method in DESCRIPTOR.services_by_name["SynthesisService"].methods}
    kinds = (*SYNTHESIS_KINDS, TRAIN_PRIOR)
    assert rpcs - QUICK_RPCS == {"".join(part.capitalize() for part in kind.split("_")) for kind in kinds}
    assert rpcs >= QUICK_RPCS


# Where the object is a collection, the call is a method of that.
COLLECTION_CALLS = {"import_images": "import_images", "index_collection": "index", "project_collection": "project"}
COLLECTION_COMMANDS = {"import_images": "import", "index_collection": "index", "project_collection": "map"}


def test_the_training_of_a_prior_has_its_name_everywhere() -> None:
    rpc = DESCRIPTOR.services_by_name["SynthesisService"].methods_by_name["TrainPrior"]
    assert (rpc.input_type.name, "TrainPriorResponse" in DESCRIPTOR.message_types_by_name) == (
        "TrainPriorRequest",
        True,
    )
    for owner in (Client, AsyncClient, Collection, AsyncCollection):
        assert callable(owner.train_prior)
    assert "train" in get_command(app).commands["prior"].commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", EVALUATION_KINDS)
def test_the_call_that_evaluates_has_its_name_everywhere(kind: str) -> None:
    name = "".join(part.capitalize() for part in kind.split("_"))
    contract = evaluation_service_pb2.DESCRIPTOR
    rpc = contract.services_by_name["EvaluationService"].methods_by_name[name]
    assert rpc.input_type.name == f"{name}Request"
    assert f"{name}Response" in contract.message_types_by_name
    assert callable(getattr(Collection, kind))
    assert callable(getattr(AsyncCollection, kind))
    commands = getattr(get_command(app), "commands", {})
    assert kind.removeprefix("evaluate_") in commands["evaluate"].commands


@pytest.mark.parametrize("kind", sorted({*KINDS} - {*SYNTHESIS_KINDS, *EVALUATION_KINDS, TRAIN_PRIOR}))
def test_the_call_on_a_collection_has_its_name_everywhere(kind: str) -> None:
    name = "".join(part.capitalize() for part in kind.split("_"))
    contract = collection_service_pb2.DESCRIPTOR
    rpc = contract.services_by_name["CollectionService"].methods_by_name[name]
    assert rpc.input_type.name == f"{name}Request"
    assert f"{name}Response" in contract.message_types_by_name
    assert callable(getattr(Collection, COLLECTION_CALLS[kind]))
    assert callable(getattr(AsyncCollection, COLLECTION_CALLS[kind]))
    commands = getattr(get_command(app), "commands", {})
    assert COLLECTION_COMMANDS[kind] in commands["collection"].commands
