"""What can go wrong in a server beyond the engine's own errors, and how errors travel.

ConvscopeError (engine)
├── Busy             RESOURCE_EXHAUSTED   SERVER_BUSY; says when to try again
├── QuotaExceeded    RESOURCE_EXHAUSTED   TOO_MANY_JOBS; says whose quota
├── RequestIdReused  INVALID_ARGUMENT     REQUEST_ID_REUSED
├── JobNotFound      NOT_FOUND            UNKNOWN_JOB, UNKNOWN_ARTIFACT
├── JobNotEnded      FAILED_PRECONDITION  JOB_NOT_ENDED
├── CollectionNotFound  NOT_FOUND         UNKNOWN_COLLECTION
├── CollectionBusy   FAILED_PRECONDITION  COLLECTION_BUSY; a job works on it
├── IndexUnusable    FAILED_PRECONDITION  NO_INDEX, INDEX_STALE, COLLECTION_EMPTY
├── AnnotationNotFound  NOT_FOUND         UNKNOWN_ANNOTATION
├── TruthMissing     FAILED_PRECONDITION  MASKS_MISSING, ATTENTION_MISSING, QUESTIONS_MISSING, EXAMPLES_TOO_FEW
├── StoreAway        UNAVAILABLE          STORE_AWAY; says when to try again
├── ArtifactsAway    UNAVAILABLE          ARTIFACTS_AWAY; says when to try again
├── ModelLoading     UNAVAILABLE          MODEL_LOADING; says when to try again
├── ServerStopping   UNAVAILABLE          SERVER_STOPPING
├── ModelNotLoaded   FAILED_PRECONDITION  MODEL_NOT_LOADED
├── DeviceUnusable   FAILED_PRECONDITION  DEVICE_UNUSABLE; only at the start
├── StoreMisnamed    FAILED_PRECONDITION  STORE_MISNAMED; only at the start
├── Unauthenticated  UNAUTHENTICATED      TOKEN_INVALID
├── CallCancelled    CANCELLED            CALLER_GONE
└── DeadlinePassed   DEADLINE_EXCEEDED    DEADLINE_PASSED
"""

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from convscope.engine.errors import ConvscopeError, InvalidInput

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


class QuotaExceeded(ConvscopeError):
    """More jobs queued than the cluster, or one caller, may have."""

    status = "RESOURCE_EXHAUSTED"
    reason = "TOO_MANY_JOBS"
    retry_after = 5.0

    def __init__(self, caller: str, limit: int) -> None:
        """caller: whose jobs are too many; empty: everybody's together."""
        self.subject = f"caller:{caller}" if caller else "cluster"
        whose = f"the caller {caller} has" if caller else "the cluster has"
        super().__init__(f"{whose} {limit} jobs queued, which is the most; try again when some have begun")


class TooManyCalls(ConvscopeError):
    """More calls a second than one caller may make."""

    status = "RESOURCE_EXHAUSTED"
    reason = "TOO_MANY_CALLS"

    def __init__(self, caller: str, rate: float, wait: float) -> None:
        """rate: calls a second. wait: seconds until the next may begin."""
        self.subject = f"caller:{caller}"
        self.retry_after = wait
        super().__init__(f"the caller {caller} may make {rate:g} calls a second; try again in {wait:.2f} s")


class StepsUsedUp(ConvscopeError):
    """More steps of jobs on a day than one caller may have."""

    status = "RESOURCE_EXHAUSTED"
    reason = "STEPS_USED_UP"

    def __init__(self, caller: str, limit: int, used: int, wait: float) -> None:
        """used: of the day. wait: seconds until the next day."""
        self.subject = f"caller:{caller}"
        self.retry_after = wait
        message = f"the caller {caller} may have {limit} steps a day, of which {limit - used} are left"
        super().__init__(f"{message}; ask for fewer, or wait until midnight UTC")


class RequestIdReused(InvalidInput):
    """A name of a call that named another call before."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str, made: str, *, field: str = "options.request_id") -> None:
        """made: resource name of what that call made."""
        super().__init__(f"request_id {request_id!r} named another request before, which made {made}", field=field)


class JobNotFound(ConvscopeError):
    """A job, or a file of it, that is not there, or no more."""

    status = "NOT_FOUND"

    def __init__(self, name: str, *, artifact: bool = False) -> None:
        super().__init__(f"there is no {name}; it may have been deleted", field="name")
        self.reason = "UNKNOWN_ARTIFACT" if artifact else "UNKNOWN_JOB"


class JobNotEnded(ConvscopeError):
    """A job that still waits or runs."""

    status = "FAILED_PRECONDITION"
    reason = "JOB_NOT_ENDED"


class CollectionNotFound(ConvscopeError):
    """A collection that is not there, or no more."""

    status = "NOT_FOUND"
    reason = "UNKNOWN_COLLECTION"

    def __init__(self, id: str, *, field: str = "collection") -> None:
        super().__init__(f"there is no collections/{id}; it may have been deleted", field=field)


class PriorNotFound(ConvscopeError):
    """No learned prior of that name ships, and no job of the caller's has made it."""

    status = "NOT_FOUND"
    reason = "PRIOR_NOT_FOUND"

    def __init__(self, prior: str, *, field: str) -> None:
        super().__init__(f"there is no prior {prior}", field=field)


class CollectionBusy(ConvscopeError):
    """A collection on which a job works."""

    status = "FAILED_PRECONDITION"
    reason = "COLLECTION_BUSY"


class IndexUnusable(ConvscopeError):
    """An index that is not there, or is not of the model as it is."""

    status = "FAILED_PRECONDITION"

    def __init__(self, message: str, *, reason: str, field: str) -> None:
        super().__init__(message, field=field)
        self.reason = reason


class AnnotationNotFound(ConvscopeError):
    """An annotation that a collection does not have."""

    status = "NOT_FOUND"
    reason = "UNKNOWN_ANNOTATION"

    def __init__(self, collection: str, id: str) -> None:
        """collection: resource name."""
        super().__init__(f"{collection} has no annotation {id[:100]!r}", field="id")


class TruthMissing(ConvscopeError):
    """A collection of which that is not known which an evaluation needs."""

    status = "FAILED_PRECONDITION"

    def __init__(self, message: str, *, reason: str, field: str) -> None:
        super().__init__(message, field=field)
        self.reason = reason


class StoreAway(ConvscopeError):
    """The store does not answer; nothing was changed, or it is found out when it answers again."""

    status = "UNAVAILABLE"
    reason = "STORE_AWAY"
    retry_after = 1.0


class ArtifactsAway(ConvscopeError):
    """The artifact store cannot be written or read."""

    status = "UNAVAILABLE"
    reason = "ARTIFACTS_AWAY"
    retry_after = 5.0


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


class StoreMisnamed(ConvscopeError):
    """An address of a store that is none, or certificates that do not go with it; never says its password."""

    status = "FAILED_PRECONDITION"
    reason = "STORE_MISNAMED"


class TracesUnusable(ConvscopeError):
    """Traces that cannot be sent as the settings say."""

    status = "FAILED_PRECONDITION"
    reason = "TRACES_UNUSABLE"


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


def to_status(error: ConvscopeError, correlation_id: str = "") -> status_pb2.Status:
    """The status with details: ErrorInfo always, BadRequest where a field is to blame, RetryInfo where it is known
    when to try again, RequestInfo with the name by which logs know the call."""
    message = _shortened(error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    details: list[any_pb2.Any] = [_pack(info)]
    if error.field:
        info.metadata["field"] = error.field
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=message, reason=error.reason
        )
        details = [_pack(info), _pack(error_details_pb2.BadRequest(field_violations=[violation]))]
    if isinstance(error, QuotaExceeded):
        quota = error_details_pb2.QuotaFailure.Violation(subject=error.subject, description=message)
        details.append(_pack(error_details_pb2.QuotaFailure(violations=[quota])))
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        delay = duration_pb2.Duration(seconds=int(retry_after), nanos=int(retry_after % 1 * 1e9))
        details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    if correlation_id:
        details.append(_pack(error_details_pb2.RequestInfo(request_id=correlation_id)))
    return status_pb2.Status(code=code_pb2.Code.Value(error.status), message=message, details=details)


def _shortened(message: str) -> str:
    limit = MAX_ASCII if message.isascii() else MAX_OTHER
    data = message.encode(errors="replace")
    return data.decode() if len(data) <= limit else data[: limit - 3].decode(errors="ignore") + "..."


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
