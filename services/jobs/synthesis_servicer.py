"""SynthesisService: accepts long work, and tells which recipes there are."""

from collections.abc import Callable
from typing import TypeVar

import grpc
import redis
from google.longrunning.operations_pb2 import Operation

from convscope.services.common.admission import Admission
from convscope.services.common.call import Call
from convscope.services.common.cards import find_card
from convscope.services.common.resource_names import collection_id, model_name
from convscope.services.common.store import reached
from convscope.services.jobs.adversarials import check_create_adversarial
from convscope.services.jobs.answers import to_operation
from convscope.services.jobs.callers import caller_of
from convscope.services.jobs.collections import Collections
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.dreams import check_deep_dream
from convscope.services.jobs.inversions import check_invert_features
from convscope.services.jobs.known_prior import to_prior
from convscope.services.jobs.orders import Order
from convscope.services.jobs.prior_orders import check_train_prior
from convscope.services.jobs.priors import Priors
from convscope.services.jobs.recipes import list_recipes
from convscope.services.jobs.settings import JobsSettings
from convscope.services.jobs.sources import Sources
from convscope.services.jobs.visualizations import check_visualize_channel, check_visualize_class
from convscope.v1.model_service_pb2 import ModelCard
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DeepDreamRequest,
    GetPriorRequest,
    GetPriorResponse,
    InvertFeaturesRequest,
    ListPriorsRequest,
    ListPriorsResponse,
    ListRecipesRequest,
    ListRecipesResponse,
    TrainPriorRequest,
    VisualizeChannelRequest,
    VisualizeClassRequest,
)
from convscope.v1.synthesis_service_pb2_grpc import SynthesisServiceServicer

Request = TypeVar(
    "Request",
    VisualizeClassRequest,
    VisualizeChannelRequest,
    DeepDreamRequest,
    InvertFeaturesRequest,
    CreateAdversarialRequest,
    TrainPriorRequest,
)


class SynthesisServicer(SynthesisServiceServicer):
    """Validates, hands in, answers with the operation."""

    def __init__(
        self,
        desk: Desk,
        store: redis.Redis,
        collections: Collections,
        *,
        calls: Admission,
        limits: JobsSettings,
    ) -> None:
        self._desk = desk
        self._priors = Priors(desk)
        self._collections = collections
        self._store = store
        self._calls = calls
        self._limits = limits

    def VisualizeClass(self, request: VisualizeClassRequest, context: grpc.ServicerContext) -> Operation:
        def check(request: VisualizeClassRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
            return check_visualize_class(request, card, limits, self._sources(request))

        return self._hand_in(request, check, context)

    def VisualizeChannel(self, request: VisualizeChannelRequest, context: grpc.ServicerContext) -> Operation:
        def check(request: VisualizeChannelRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
            return check_visualize_channel(request, card, limits, self._sources(request))

        return self._hand_in(request, check, context)

    def DeepDream(self, request: DeepDreamRequest, context: grpc.ServicerContext) -> Operation:
        return self._hand_in(request, check_deep_dream, context)

    def InvertFeatures(self, request: InvertFeaturesRequest, context: grpc.ServicerContext) -> Operation:
        return self._hand_in(request, check_invert_features, context)

    def CreateAdversarial(self, request: CreateAdversarialRequest, context: grpc.ServicerContext) -> Operation:
        return self._hand_in(request, check_create_adversarial, context)

    def TrainPrior(self, request: TrainPriorRequest, context: grpc.ServicerContext) -> Operation:
        def check(request: TrainPriorRequest, card: ModelCard | None, limits: JobsSettings) -> Order:
            # It only reads the collection, for a day perhaps: others may work on it meanwhile.
            collection = self._collections.find(collection_id(request.collection, field="collection"))
            return check_train_prior(request, collection, card, limits)

        return self._hand_in(request, check, context)

    def ListPriors(self, request: ListPriorsRequest, context: grpc.ServicerContext) -> ListPriorsResponse:
        priors, token = self._priors.list(request.page_size, request.page_token)
        return ListPriorsResponse(priors=map(to_prior, priors), next_page_token=token)

    def GetPrior(self, request: GetPriorRequest, context: grpc.ServicerContext) -> GetPriorResponse:
        return GetPriorResponse(prior=to_prior(self._priors.find(request.name, field="name")))

    def ListRecipes(self, request: ListRecipesRequest, context: grpc.ServicerContext) -> ListRecipesResponse:
        return ListRecipesResponse(recipes=list_recipes())

    def _hand_in(
        self,
        request: Request,
        check: Callable[[Request, ModelCard | None, JobsSettings], Order],
        context: grpc.ServicerContext,
    ) -> Operation:
        call = Call.of(context)
        with self._calls.place():
            with reached():
                card = find_card(self._store, model_name(request.model, field="model"))
            order = check(request, card, self._limits)
            call.check()
            return to_operation(self._desk.hand_in(order, caller_of(context)))

    def _sources(self, request: VisualizeClassRequest | VisualizeChannelRequest) -> Sources:
        """Raises InvalidInput, PriorNotFound, CollectionNotFound (fields `prior`, `examples.collection`)."""
        prior = self._priors.find(request.prior, field="prior") if request.prior else None
        field = "examples.collection"
        named = request.HasField("examples")
        id = collection_id(request.examples.collection, field=field) if named else ""
        return Sources(prior, self._collections.find(id, field=field) if named else None)
