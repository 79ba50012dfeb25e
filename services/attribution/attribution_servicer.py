"""AttributionService: explains and classifies single pictures."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import grpc

from convscope.engine.attribution.batch import Progress, unwatched
from convscope.engine.errors import ConvscopeError
from convscope.engine.models.model import Model
from convscope.engine.models.variants import Precision
from convscope.services.attribution.answers import (
    to_predictions,
    to_region,
    to_responses,
    to_sentence_sheet,
    to_sheet,
    to_words,
)
from convscope.services.attribution.cache import AnswerCache
from convscope.services.attribution.metrics import ANSWER_SECONDS, ANSWERS, CACHE_ANSWERS
from convscope.services.attribution.pictures import Picture
from convscope.services.attribution.requests import (
    DEFAULT_TOP_K,
    Order,
    check_attribute,
    check_attribute_caption,
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
from convscope.services.common.sentences import (
    check_beams,
    given_question,
    said_caption,
)
from convscope.v1.attribution_service_pb2 import (
    AnalyzeFailureRequest,
    AnalyzeFailureResponse,
    AnswerRequest,
    AnswerResponse,
    AttributeCaptionRequest,
    AttributeCaptionResponse,
    AttributeRequest,
    AttributeResponse,
    AttributeStreamRequest,
    AttributeStreamResponse,
    CaptionRequest,
    CaptionResponse,
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
            order, picture, result = self._carry_out(order, model, request.image, call)
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
            order, picture, result = self._carry_out(order, model, request.image, call)
            said, truth = to_responses(order, model, picture, result)
            response = AnalyzeFailureResponse(correct=said.target.index == truth.target.index, said=said, truth=truth)
            if order.form.contact_sheet:
                response.contact_sheet = to_sheet(order, model, picture, result, [said, truth])
        _count(order, model, started)
        return response

    def Classify(self, request: ClassifyRequest, context: grpc.ServicerContext) -> ClassifyResponse:
        call = Call.of(context)
        model = self._runner.model(request.model)
        model.check_task("classify", field="model")
        top_k = check_top_k(request.top_k if request.HasField("top_k") else DEFAULT_TOP_K)
        with self._runner.calls.place():
            picture = self._runner.read(request.image, model, call)
            result = self._runner.run(CLASSIFICATION, model, picture, call)
        predictions = to_predictions(result, model.labels, top_k)
        return ClassifyResponse(predictions=predictions, region=to_region(picture.region))

    def Caption(self, request: CaptionRequest, context: grpc.ServicerContext) -> CaptionResponse:
        call = Call.of(context)
        model = self._runner.model(request.model)
        model.check_task("caption", field="model")
        task = Task(beams=check_beams(request.beams, field="beams"))
        with self._runner.calls.place():
            picture = self._runner.read(request.image, model, call)
            result = self._runner.run(task, model, picture, call)
        caption = said_caption(result.caption, model)
        return CaptionResponse(
            text=caption.text,
            words=to_words(result, caption.words),
            log_probability=result.scores.sum(),
            region=to_region(picture.region),
        )

    def Answer(self, request: AnswerRequest, context: grpc.ServicerContext) -> AnswerResponse:
        call = Call.of(context)
        model = self._runner.model(request.model)
        model.check_task("vqa", field="model")
        question = given_question(request.question, model, field="question")
        top_k = check_top_k(request.top_k if request.HasField("top_k") else DEFAULT_TOP_K)
        with self._runner.calls.place():
            picture = self._runner.read(request.image, model, call)
            result = self._runner.run(CLASSIFICATION, model, picture, call, words=question.tokens)
        predictions = to_predictions(result, model.labels, top_k)
        return AnswerResponse(predictions=predictions, region=to_region(picture.region))

    def AttributeCaption(
        self, request: AttributeCaptionRequest, context: grpc.ServicerContext
    ) -> AttributeCaptionResponse:
        call, started = Call.of(context), time.perf_counter()
        model = self._runner.model(request.model)
        order = check_attribute_caption(request, model)
        with self._runner.calls.place():
            order, picture, result = self._carry_out(order, model, request.image, call)
            assert order.sentence is not None
            attributions = to_responses(order, model, picture, result)
            response = AttributeCaptionResponse(text=order.sentence.text, attributions=attributions)
            if order.form.contact_sheet:
                response.contact_sheet = to_sentence_sheet(order, model, picture, result)
        _count(order, model, started)
        return response

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
                order, picture, result = self._carry_out(order, model, request.image, call, on_progress=on_progress)
                (response,) = to_responses(order, model, picture, result)
            if key:
                self._cache.put(key, response)
        _count(order, model, started)
        return response

    def _carry_out(
        self,
        order: Order,
        model: Model,
        image: Image,
        call: Call,
        *,
        on_progress: Progress = unwatched,
    ) -> tuple[Order, Picture, Result]:
        """The order comes back with its caption, where that was not known yet."""
        picture = self._runner.read(image, model, call)
        if order.beams:
            spoken = self._runner.run(Task(beams=order.beams), model, picture, call)
            order = order.said(said_caption(spoken.caption, model))
        try:
            result = self._runner.run(
                order.task, model, picture, call, targets=order.targets, words=order.words, on_progress=on_progress
            )
            return order, picture, result
        except ConvscopeError as error:
            raise in_request(error, order) from error


def _count(order: Order, model: Model, started: float) -> None:
    ANSWERS.labels(order.task.name, model.name).inc()
    ANSWER_SECONDS.labels(order.task.name, model.name).observe(time.perf_counter() - started)
