"""A server that says what a test tells it, for what a real one does too seldom: refusals, silence, many pages."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from convscope.v1.attribution_service_pb2 import (
    AttributeProgress,
    AttributeStreamRequest,
    AttributeStreamResponse,
    ClassifyRequest,
    ClassifyResponse,
)
from convscope.v1.model_service_pb2 import ListModelsRequest, ListModelsResponse, Model

PAGE = 40
Answer = Callable[[int, grpc.ServicerContext], ClassifyResponse]
Stream = Callable[[Iterator[AttributeStreamRequest], grpc.ServicerContext], Iterator[AttributeStreamResponse]]


def nothing(call: int, context: grpc.ServicerContext) -> ClassifyResponse:
    """No predictions."""
    return ClassifyResponse()


def refuse(code: grpc.StatusCode, message: str = "no", *, times: int | None = None) -> Answer:
    """Answer the first `times` calls (None: every call) with that status, without details."""

    def answer(call: int, context: grpc.ServicerContext) -> ClassifyResponse:
        if times is None or call <= times:
            context.abort(code, message)
        return ClassifyResponse()

    return answer


class Waiting:
    """An answer that does not come before the caller has gone."""

    def __init__(self) -> None:
        self.under_way = threading.Event()
        self.ended = threading.Event()

    def __call__(self, call: int, context: grpc.ServicerContext) -> ClassifyResponse:
        gone = threading.Event()
        self.under_way.set()
        if context.add_callback(gone.set):
            gone.wait(60)
        self.ended.set()
        return ClassifyResponse()


def no_answer(
    requests: Iterator[AttributeStreamRequest], context: grpc.ServicerContext
) -> Iterator[AttributeStreamResponse]:
    """The stream ends when the caller has said all."""
    # Earlier, the caller may be told instead that it could not send.
    list(requests)
    return iter(())


class EndlessProgress:
    """A stream that tells progress and never an answer, until the caller has gone."""

    def __init__(self) -> None:
        self.requests: list[AttributeStreamRequest] = []
        self.seconds: float | None = None
        """What the caller's deadline leaves at the beginning; None before it, and for no deadline."""
        self.ended = threading.Event()

    def __call__(
        self, requests: Iterator[AttributeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[AttributeStreamResponse]:
        self.seconds = context.time_remaining()
        gone = threading.Event()

        def leave() -> None:
            gone.set()
            self.ended.set()

        assert context.add_callback(leave)
        self.requests += requests
        done = 0
        while not gone.wait(0.02):
            done += 1
            yield AttributeStreamResponse(id="0", progress=AttributeProgress(done=done, total=1_000_000))


@dataclass
class StandIn:
    """Classify is what `answer` does, given the number of the call, AttributeStream what `stream` does, and ListModels
    gives `models` in pages."""

    answer: Answer = nothing
    stream: Stream = no_answer
    models: tuple[str, ...] = ()
    health: HealthServicer = field(default_factory=HealthServicer)
    calls: int = 0
    address: str = ""
    stop: Callable[[], object] = lambda: None
    """End it; harmless when called twice."""

    def classify(self, request: ClassifyRequest, context: grpc.ServicerContext) -> ClassifyResponse:
        self.calls += 1
        return self.answer(self.calls, context)

    def list_models(self, request: ListModelsRequest, context: grpc.ServicerContext) -> ListModelsResponse:
        self.calls += 1
        start = int(request.page_token or 0)
        page = [Model(name=f"models/{name}") for name in self.models[start : start + PAGE]]
        following = str(start + PAGE) if start + PAGE < len(self.models) else ""
        return ListModelsResponse(models=page, next_page_token=following)

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Everything else is UNIMPLEMENTED."""
        classify = grpc.unary_unary_rpc_method_handler(
            self.classify, ClassifyRequest.FromString, ClassifyResponse.SerializeToString
        )
        list_models = grpc.unary_unary_rpc_method_handler(
            self.list_models, ListModelsRequest.FromString, ListModelsResponse.SerializeToString
        )
        stream = grpc.stream_stream_rpc_method_handler(
            self.stream, AttributeStreamRequest.FromString, AttributeStreamResponse.SerializeToString
        )
        attribution: dict[str, grpc.RpcMethodHandler[Any, Any]] = {"Classify": classify, "AttributeStream": stream}
        return [
            grpc.method_handlers_generic_handler("convscope.v1.AttributionService", attribution),
            grpc.method_handlers_generic_handler("convscope.v1.ModelService", {"ListModels": list_models}),
        ]


@contextmanager
def standing_in(
    server: StandIn, *, credentials: grpc.ServerCredentials | None = None, address: str = "127.0.0.1:0"
) -> Iterator[StandIn]:
    """Serve, on a free port where nothing else is said; `address` is where."""
    pool = ThreadPoolExecutor(8)
    running = grpc.server(pool, handlers=server.handlers())
    health_pb2_grpc.add_HealthServicer_to_server(server.health, running)
    if credentials is None:
        port = running.add_insecure_port(address)
    else:
        port = running.add_secure_port(address, credentials)
    running.start()
    server.address = f"127.0.0.1:{port}"
    server.stop = lambda: running.stop(grace=None).wait()
    try:
        yield server
    finally:
        server.stop()
        pool.shutdown()
