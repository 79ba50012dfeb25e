"""AttributionService: explains and classifies single pictures."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import grpc

from convscope.engine.attribution.method import TOP_CLASS
from convscope.services.attribution.admission import Admission
from convscope.services.attribution.answers import to_predictions, to_region, to_response
from convscope.services.attribution.cache import AnswerCache
from convscope.services.attribution.executor import Executor, Task, Work
from convscope.services.attribution.metrics import ANSWER_SECONDS, ANSWERS, CACHE_ANSWERS
from convscope.services.attribution.models import LoadedModels
from convscope.services.attribution.pictures import PictureReader
from convscope.services.attribution.requests import check_request, check_top_k, model_name
from convscope.services.attribution.stream import answer_stream
from convscope.services.common.call import Call
from convscope.v1.attribution_service_pb2 import (
    AttributeRequest,
    AttributeResponse,
    AttributeStreamRequest,
    AttributeStreamResponse,
    ClassifyRequest,
    ClassifyResponse,
)
from convscope.v1.attribution_service_pb2_grpc import AttributionServiceServicer

CLASSIFICATION = Task()


class AttributionServicer(AttributionServiceServicer):
    """Validates, has the picture decoded, waits for the model's executor, encodes."""

    def __init__(
        self,
        models: LoadedModels,
        executor: Executor,
        reader: PictureReader,
        cache: AnswerCache,
        *,
        queue_limit: int,
        stream_limit: int,
    ) -> None:
        self._models = models
        self._executor = executor
        self._reader = reader
        self._cache = cache
        self._calls = Admission(queue_limit, "calls")
        self._streams = Admission(stream_limit, "streams")

    def Attribute(self, request: AttributeRequest, context: grpc.ServicerContext) -> AttributeResponse:
        call = Call.of(context)
        return self._attribute(request, call, self._calls.place())

    def AttributeStream(
        self, request_iterator: Iterator[AttributeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[AttributeStreamResponse]:
        call = Call.of(context)

        def answer(request: AttributeRequest) -> AttributeResponse:
            return self._attribute(request, call, self._calls.wait_for_place(call))

        with self._streams.place():
            yield from answer_stream(request_iterator, answer, call)

    def Classify(self, request: ClassifyRequest, context: grpc.ServicerContext) -> ClassifyResponse:
        call = Call.of(context)
        model = self._models.model(model_name(request.model, field="model"))
        top_k = check_top_k(request.top_k if request.HasField("top_k") else 5)
        with self._calls.place():
            picture = self._reader.read(request.image, model.preprocessing)
            call.check()
            work = Work(model, CLASSIFICATION, picture.image, TOP_CLASS, call.deadline)
            result = call.wait(self._executor.submit(work))
        predictions = to_predictions(result.scores, model.labels, top_k)
        return ClassifyResponse(predictions=predictions, region=to_region(picture.region))

    def _attribute(
        self, request: AttributeRequest, call: Call, place: AbstractContextManager[None]
    ) -> AttributeResponse:
        started = time.perf_counter()
        model = self._models.model(model_name(request.model, field="model"))
        precision = str(self._executor.precision(model)).removeprefix("torch.")
        question = check_request(request, model)
        labels = (question.task.method_name, model.name)
        key = self._cache.key(request, model, precision) if self._cache.enabled else b""
        response = self._cache.get(key) if key else None
        if response is not None:
            CACHE_ANSWERS.labels(*labels).inc()
        else:
            with place:
                call.check()
                picture = self._reader.read(request.image, model.preprocessing)
                call.check()
                work = Work(model, question.task, picture.image, question.target, call.deadline)
                result = call.wait(self._executor.submit(work))
                response = to_response(request, question, model, picture, result, precision=precision)
            if key:
                self._cache.put(key, response)
        ANSWERS.labels(*labels).inc()
        ANSWER_SECONDS.labels(*labels).observe(time.perf_counter() - started)
        return response
