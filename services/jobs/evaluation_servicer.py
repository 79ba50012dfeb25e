"""EvaluationService: how good explanations are, over a collection."""

import grpc
import redis
from google.longrunning.operations_pb2 import Operation

from convscope.services.common.cards import find_card
from convscope.services.common.collections.collection import Collection
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.resource_names import model_name
from convscope.services.common.store import reached
from convscope.services.jobs.collection_work import CollectionWork
from convscope.services.jobs.evaluation_orders import check_evaluate_attention, check_evaluate_methods
from convscope.services.jobs.orders import Order
from convscope.services.jobs.settings import JobsSettings
from convscope.v1.evaluation_service_pb2 import EvaluateAttentionRequest, EvaluateMethodsRequest
from convscope.v1.evaluation_service_pb2_grpc import EvaluationServiceServicer
from convscope.v1.model_service_pb2 import ModelCard


class EvaluationServicer(EvaluationServiceServicer):
    """Validates, hands in, answers with the operation."""

    def __init__(self, work: CollectionWork, store: redis.Redis, limits: JobsSettings) -> None:
        self._work = work
        self._store = store
        self._records = CollectionRecords(store)
        self._limits = limits

    def EvaluateMethods(self, request: EvaluateMethodsRequest, context: grpc.ServicerContext) -> Operation:
        def check(collection: Collection) -> Order:
            return check_evaluate_methods(request, collection, self._card(request.model), self._limits)

        return self._work.hand_in(request.collection, check, context)

    def EvaluateAttention(self, request: EvaluateAttentionRequest, context: grpc.ServicerContext) -> Operation:
        def check(collection: Collection) -> Order:
            with reached():
                attended = self._records.attended(collection.id)
                looked_at = attended or self._records.masked(collection.id)
            card = self._card(request.model)
            return check_evaluate_attention(request, collection, looked_at, card, self._limits)

        return self._work.hand_in(request.collection, check, context)

    def _card(self, model: str) -> ModelCard | None:
        with reached():
            return find_card(self._store, model_name(model, field="model"))
