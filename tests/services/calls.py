"""Bare calls of the contract, without the SDK, and what came of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from convscope.v1.attribution_service_pb2_grpc import AttributionServiceStub
from convscope.v1.inspection_service_pb2_grpc import InspectionServiceStub
from convscope.v1.model_service_pb2_grpc import ModelServiceStub

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = ("convscope.v1.AttributionService", "convscope.v1.InspectionService", "convscope.v1.ModelService")
SECONDS = 60.0
"""Deadline of a call that is no test of deadlines."""


class Stubs:
    """The services of one server on one channel. No call is tried again."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        attribution, models = AttributionServiceStub(channel), ModelServiceStub(channel)
        self.attribute = attribution.Attribute
        self.attribute_stream = attribution.AttributeStream
        self.compare = attribution.Compare
        self.analyze_failure = attribution.AnalyzeFailure
        self.classify = attribution.Classify
        self.caption = attribution.Caption
        self.answer = attribution.Answer
        self.attribute_caption = attribution.AttributeCaption
        inspection = InspectionServiceStub(channel)
        self.get_filters = inspection.GetFilters
        self.get_activations = inspection.GetActivations
        self.embed = inspection.Embed
        self.find_patches = inspection.FindPatches
        self.find_neighbors = inspection.FindNeighbors
        self.list_models = models.ListModels
        self.get_model = models.GetModel
        self.load_model = models.LoadModel
        self.unload_model = models.UnloadModel
        self._health = health_pb2_grpc.HealthStub(channel)

    def health(self, service: str = "") -> int:
        """The status of grpc.health.v1. Raises grpc.RpcError."""
        response = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS)
        return int(response.status)

    def watch_health(self, service: str = "") -> "Watch":
        return Watch(self._health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS))


class Watch:
    """Every status of a service from now on."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def next(self) -> int:
        """Wait for the next one."""
        return int(next(self._call).status)

    def is_answered(self) -> bool:
        """Whether a first status comes, and no refusal."""
        try:
            self.next()
        except grpc.RpcError:
            return False
        return True

    def leave(self) -> None:
        """Listen no longer."""
        self._call.cancel()


@contextmanager
def calling(address: str, *more: tuple[str, int]) -> Iterator[Stubs]:
    """Stubs on a channel of their own, closed afterwards. more: options of the channel."""
    options = [
        *more,
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 100),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
    ]
    with grpc.insecure_channel(address, options=options) as channel:
        yield Stubs(channel)


@dataclass(frozen=True)
class Refusal:
    """An error of the contract, taken apart."""

    code: str
    message: str
    reason: str = ""
    domain: str = ""
    field: str = ""
    """Of ErrorInfo's metadata."""
    violations: tuple[str, ...] = ()
    """The fields of BadRequest."""
    retry_after: float | None = None
    """Of RetryInfo, seconds."""
    size: int = 0
    """Bytes of the whole google.rpc.Status."""

    @classmethod
    def of(cls, error: grpc.RpcError) -> Self:
        status = rpc_status.from_call(error)
        if status is None:
            return cls(error.code().name, error.details() or "")
        assert (error.code().value[0], error.details()) == (status.code, status.message)
        return cls.of_status(status)

    @classmethod
    def of_status(cls, status: status_pb2.Status) -> Self:
        info, bad, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        known = (info, bad, retry, error_details_pb2.RequestInfo())
        for detail in status.details:
            assert any(map(detail.Unpack, known)), detail.type_url
        return cls(
            code=code_pb2.Code.Name(status.code),
            message=status.message,
            reason=info.reason,
            domain=info.domain,
            field=info.metadata.get("field", ""),
            violations=tuple(violation.field for violation in bad.field_violations),
            retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
            size=status.ByteSize(),
        )


def refusal(call: Callable[[], object]) -> Refusal:
    """What a call is refused with; it must be."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return Refusal.of(caught.value)
