"""AttributionService: explains and classifies single pictures."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import grpc

from convscope.engine.attribution.batch import Progress, unwatched
from convscope.engine.errors import ConvscopeError
from convscope.engine.models.model import Model
from convscope.engine.models.variants import Precision
from convscope.services.attribution.answers import to_predictions, to_region, to_responses, to_sheet
from convscope.services.attribution.cache import AnswerCache
from convscope.services.attribution.metrics import ANSWER_SECONDS, ANSWERS, CACHE_ANSWERS
from convscope.services.attribution.pictures import Picture
from convscope.services.attribution.requests import (
    Order,
    check_attribute,
    check_compare,
    check_failure,
    check_top_k,
    in_request,
)
from convscope.services.attribution.runner import Runner
from convscope.services.attribution.stream import answer_stream
from convscope.services.attribution.work import Result, Task
from convscope.services.common.admission import Admission
from convscope.services.common.call import Call
from convscope.v1.attribution_service_pb2 import (
    AnalyzeFailureRequest,
    AnalyzeFailureResponse,
    AttributeRequest,
    AttributeResponse,
    AttributeStreamRequest,
    AttributeStreamResponse,
    ClassifyRequest,
    ClassifyResponse,
    CompareRequest,
    CompareResponse,
)
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceServicer
from convscope.v1.image_pb2 import Image

CLASSIFICATION = Task()


class AttributionServicer(AttributionServiceServicer):
    """Validates, has the picture decoded, waits for the executor, encodes."""

    def __init__(self, runner: Runner, cache: AnswerCache, *, precision: Precision, stream_limit: int) -> None:
        """precision: of requests that do not say."""
        self._runner = runner
        self._cache = cache
        self._precision = precision
        self._streams = Admission(stream_limit, "streams")

    def Attribute(self, request: AttributeRequest, context: grpc.ServicerContext) -> AttributeResponse:
        call = Call.of(context)
        return self._attribute(request, call, self._runner.calls.place())

    def AttributeStream(
        self, request_iterator: Iterator[AttributeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[AttributeStreamResponse]:
        call = Call.of(context)

        def answer(request: AttributeRequest, on_progress: Progress) -> AttributeResponse:
            return self._attribute(request, call, self._runner.calls.wait_for_place(call), on_progress)

        with self._streams.place():
            yield from answer_stream(request_iterator, answer, call)

    def Compare(self, request: CompareRequest, context: grpc.ServicerContext) -> CompareResponse:
        call, started = Call.of(context), time.perf_counter()
        model = self._runner.model(request.model)
        order = check_compare(request, model, self._precision)
        with self._runner.calls.place():
            picture, result = self._carry_out(order, model, request.image, call)
            attributions = to_responses(order, model, picture, result)
            response = CompareResponse(attributions=attributions)
            if order.form.contact_sheet:
                response.contact_sheet = to_sheet(order, model, picture, result, attributions)
        _count(order, model, started)
        return response

    def AnalyzeFailure(self, request: AnalyzeFailureRequest, context: grpc.ServicerContext) -> AnalyzeFailureResponse:
        call, started = Call.of(context), time.perf_counter()
        model = self._runner.model(request.model)
        order = check_failure(request, model, self._precision)
        with self._runner.calls.place():
            picture, result = self._carry_out(order, model, request.image, call)
            said, truth = to_responses(order, model, picture, result)
            response = AnalyzeFailureResponse(correct=said.target.index == truth.target.index, said=said, truth=truth)
            if order.form.contact_sheet:
                response.contact_sheet = to_sheet(order, model, picture, result, [said, truth])
        _count(order, model, started)
        return response

    def Classify(self, request: ClassifyRequest, context: grpc.ServicerContext) -> ClassifyResponse:
        call = Call.of(context)
        model = self._runner.model(request.model)
        top_k = check_top_k(request.top_k if request.HasField("top_k") else 5)
        with self._runner.calls.place():
            picture, result = self._runner.run(CLASSIFICATION, model, request.image, call)
        predictions = to_predictions(result, model.labels, top_k)
        return ClassifyResponse(predictions=predictions, region=to_region(picture.region))

    def _attribute(
        self,
        request: AttributeRequest,
        call: Call,
        place: AbstractContextManager[None],
        on_progress: Progress = unwatched,
    ) -> AttributeResponse:
        started = time.perf_counter()
        model = self._runner.model(request.model)
        order = check_attribute(request, model, self._precision)
        key = self._cache.key(request, model, order.precision) if self._cache.enabled else b""
        response = self._cache.get(key) if key else None
        if response is not None:
            CACHE_ANSWERS.labels(order.task.name, model.name).inc()
        else:
            with place:
                picture, result = self._carry_out(order, model, request.image, call, on_progress)
                (response,) = to_responses(order, model, picture, result)
            if key:
                self._cache.put(key, response)
        _count(order, model, started)
        return response

    def _carry_out(
        self, order: Order, model: Model, image: Image, call: Call, on_progress: Progress = unwatched
    ) -> tuple[Picture, Result]:
        try:
            return self._runner.run(order.task, model, image, call, targets=order.targets, on_progress=on_progress)
        except ConvscopeError as error:
            raise in_request(error, order) from error


def _count(order: Order, model: Model, started: float) -> None:
    ANSWERS.labels(order.task.name, model.name).inc()
    ANSWER_SECONDS.labels(order.task.name, model.name).observe(time.perf_counter() - started)
