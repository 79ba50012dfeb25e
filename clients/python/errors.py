"""What a call can raise.

ClientError
├── InvalidArgument      the request is wrong; `field` and `reason` say where and how
├── NotFound             a model, a job or an artifact that does not exist
├── FailedPrecondition   not now, or not for this model
├── PermissionDenied     no valid token, or not allowed
├── ResourceExhausted    the server is full; try again after `retry_after` seconds
├── Unavailable          no server, or it is going away
├── DeadlineExceeded     no answer in time
├── Cancelled            the call, or the job, was cancelled
└── ServerFault          a defect in the server

A job that failed raises what a call would have raised that failed so.
"""

from collections.abc import Sequence

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


class ClientError(Exception):
    """The root: why a call failed."""

    def __init__(
        self, message: str, *, reason: str = "", field: str = "", status: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        """In capitals, for programs: UNKNOWN_LAYER, IMAGE_UNDECODABLE; empty where the server gave none."""
        self.field = field
        """The field of the request that is to blame; empty for none."""
        self.status = status
        """Name of the gRPC status code; empty where no call was made."""
        self.retry_after = retry_after
        """Seconds after which to try again; None where trying again does not help."""
        self.correlation_id = ""
        """The name by which the cluster's logs know the call; empty where no call was made."""


class InvalidArgument(ClientError):
    """The request is wrong; mend it."""


class NotFound(ClientError):
    """Something that does not exist."""


class FailedPrecondition(ClientError):
    """Not in this state, or not with this model."""


class PermissionDenied(ClientError):
    """No valid token, or not allowed."""


class ResourceExhausted(ClientError):
    """The server is full."""


class Unavailable(ClientError):
    """There is no server, or it is going away."""


class DeadlineExceeded(ClientError):
    """There was no answer in time."""


class Cancelled(ClientError):
    """The call, or the job, was cancelled."""


class ServerFault(ClientError):
    """A defect in the server."""


_CLASSES: dict[str, type[ClientError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": InvalidArgument,
    "NOT_FOUND": NotFound,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNAUTHENTICATED": PermissionDenied,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "CANCELLED": Cancelled,
}
CLIENT_CLOSED = "CLIENT_CLOSED"
"""The reason of a call that was cancelled because its client was closed."""
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


HEADER = "x-request-id"
"""In a call's metadata: the name by which the cluster's logs know it."""


def from_rpc_error(error: grpc.RpcError, server: str, metadata: Sequence[tuple[str, str]]) -> ClientError:
    """The typed error for what gRPC raised; `server` is named where it could not be reached. metadata: the call's."""
    return _named(_from_rpc_error(error, server), dict(metadata).get(HEADER, ""))


def _named(error: ClientError, correlation_id: str) -> ClientError:
    """With the name by which logs know the call."""
    if not error.correlation_id:
        error.correlation_id = correlation_id
        if correlation_id and isinstance(error, ServerFault):
            # Whoever reads it can do nothing but ask those who read the log.
            error.message += f", under {correlation_id}"
            error.args = (error.message,)
    return error


def _from_rpc_error(error: grpc.RpcError, server: str) -> ClientError:
    status = rpc_status.from_call(error)
    if status is not None:
        return from_status(status)
    name, message = error.code().name, error.details() or ""
    if name == "UNAVAILABLE":
        return Unavailable(f"no convscope server answers at {server}: {message}", status=name)
    if name == "DEADLINE_EXCEEDED":
        message = f"no answer from {server} in time: {message}; a long method needs a longer timeout"
        return DeadlineExceeded(message, status=name)
    if name == "RESOURCE_EXHAUSTED" and "larger than max" in message:
        # gRPC refuses such a message before any code of ours sees it.
        return InvalidArgument(f"the request is too large: {message}", reason="MESSAGE_TOO_LARGE", status=name)
    return _CLASSES.get(name, ServerFault)(message, status=name)


def from_status(status: status_pb2.Status) -> ClientError:
    """The typed error for a google.rpc.Status."""
    info, retry, call = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    retry_after = None
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(call)
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    name = _CODES.get(status.code, "UNKNOWN")
    error = _CLASSES.get(name, ServerFault)(
        status.message, reason=info.reason, field=info.metadata.get("field", ""), status=name, retry_after=retry_after
    )
    return _named(error, call.request_id)
