"""What can go wrong in a server beyond the engine's own errors, and how errors travel.

ConvscopeError (engine)
├── Busy             RESOURCE_EXHAUSTED   SERVER_BUSY; says when to try again
├── ModelLoading     UNAVAILABLE          MODEL_LOADING; says when to try again
├── ServerStopping   UNAVAILABLE          SERVER_STOPPING
├── ModelNotLoaded   FAILED_PRECONDITION  MODEL_NOT_LOADED
├── DeviceUnusable   FAILED_PRECONDITION  DEVICE_UNUSABLE; only at the start
├── Unauthenticated  UNAUTHENTICATED      TOKEN_INVALID
├── CallCancelled    CANCELLED            CALLER_GONE
└── DeadlinePassed   DEADLINE_EXCEEDED    DEADLINE_PASSED
"""

from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from convscope.engine.errors import ConvscopeError

DOMAIN = "convscope"
# Details ride in trailers, which some proxies cut off at 8 KB; the message is in them three times, once with every byte
# that is not ASCII written as three. All together they stay under 3 KB.
MAX_ASCII, MAX_OTHER = 700, 400


class Busy(ConvscopeError):
    """More calls than the server takes at once."""

    status = "RESOURCE_EXHAUSTED"
    reason = "SERVER_BUSY"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelLoading(ConvscopeError):
    """A model that will be there soon."""

    status = "UNAVAILABLE"
    reason = "MODEL_LOADING"
    retry_after = 1.0


class ServerStopping(ConvscopeError):
    """A server that takes no more work; another one may."""

    status = "UNAVAILABLE"
    reason = "SERVER_STOPPING"


class ModelNotLoaded(ConvscopeError):
    """A model of the catalogue that this replica does not hold."""

    status = "FAILED_PRECONDITION"
    reason = "MODEL_NOT_LOADED"


class DeviceUnusable(ConvscopeError):
    """A device that is not there."""

    status = "FAILED_PRECONDITION"
    reason = "DEVICE_UNUSABLE"


class Unauthenticated(ConvscopeError):
    """A call without the server's token."""

    status = "UNAUTHENTICATED"
    reason = "TOKEN_INVALID"


class CallCancelled(ConvscopeError):
    """The caller has gone; nobody reads the answer."""

    status = "CANCELLED"
    reason = "CALLER_GONE"


class DeadlinePassed(ConvscopeError):
    """The caller's deadline passed before the answer was there."""

    status = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_PASSED"


def to_status(error: ConvscopeError) -> status_pb2.Status:
    """The status with details: ErrorInfo always, BadRequest where a field is to blame, RetryInfo where it is known
    when to try again."""
    message = _shortened(error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    details: list[any_pb2.Any] = [_pack(info)]
    if error.field:
        info.metadata["field"] = error.field
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=message, reason=error.reason
        )
        details = [_pack(info), _pack(error_details_pb2.BadRequest(field_violations=[violation]))]
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        delay = duration_pb2.Duration(seconds=int(retry_after), nanos=int(retry_after % 1 * 1e9))
        details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(code=code_pb2.Code.Value(error.status), message=message, details=details)


def _shortened(message: str) -> str:
    limit = MAX_ASCII if message.isascii() else MAX_OTHER
    data = message.encode(errors="replace")
    return data.decode() if len(data) <= limit else data[: limit - 3].decode(errors="ignore") + "..."


def _pack(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
