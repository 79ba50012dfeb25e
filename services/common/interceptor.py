"""What happens around every call: who calls, metrics, log, trace, and errors to statuses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from convscope.engine.errors import ConvscopeError, InvalidInput
from convscope.services.common.access.caller import Caller
from convscope.services.common.access.current import CALLER
from convscope.services.common.access.gate import Gate
from convscope.services.common.errors import ServerStopping, to_status
from convscope.services.common.telemetry.correlation import HEADER, begin_correlation, correlation_of
from convscope.services.common.telemetry.metrics import CALL_SECONDS, CALLS, CALLS_RUNNING
from convscope.services.common.telemetry.traces import begin_call, end_call

log = structlog.get_logger()
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Around: TypeAlias = "Callable[[grpc.ServicerContext], AbstractContextManager[None]]"
Identity: TypeAlias = "Caller | ConvscopeError | None"
"""Who calls, None for anybody; or why that is nobody."""
OURS = ("/convscope.", "/google.longrunning.")
OPEN = "/grpc.health."
INTERNAL = "something went wrong in the server; its log says what"


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps every handler of ours, and asks everybody but a health probe who calls."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._running = 0
        self._refusing = False
        self._changed = threading.Condition()

    def refuse_new_calls(self) -> None:
        """Answer UNAVAILABLE from now on, so that clients go elsewhere; calls that have begun go on."""
        self._refusing = True

    def wait_until_idle(self, timeout: float) -> None:
        """Wait until no call of ours is left, or so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            if self._refusing:
                raise ServerStopping("the server is stopping")
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = continuation(handler_call_details)
        name = handler_call_details.method
        if handler is None:
            return None
        if name.startswith(OPEN):
            return self._wrapped(handler, name, _readable)
        # gRPC's one thread that takes in all calls is here; whatever waits has to wait in the call's own.
        caller = self._identify(handler_call_details)
        if not isinstance(caller, ConvscopeError) and not name.startswith(OURS):
            return self._wrapped(handler, name, _readable)
        return self._wrapped(handler, name, lambda context: self._around(name, context, caller))

    def _identify(self, details: grpc.HandlerCallDetails) -> Identity:
        try:
            return self._gate.identify(details.invocation_metadata)
        except ConvscopeError as error:
            return error

    @contextmanager
    def _around(self, method: str, context: grpc.ServicerContext, caller: Identity) -> Iterator[None]:
        started, rpc, code = time.perf_counter(), method.rpartition("/")[2], "OK"
        metadata = context.invocation_metadata()
        correlation_id = correlation_of(metadata)
        known = {"caller": caller.name} if isinstance(caller, Caller) else {}
        begin_correlation(correlation_id, rpc=rpc, **known)
        span = begin_call(method, metadata, correlation_id)
        context.set_trailing_metadata(((HEADER, correlation_id),))
        CALLS_RUNNING.inc()
        try:
            if isinstance(caller, ConvscopeError):
                raise caller
            self._gate.take_call(caller)
            # Set again by the next call that the thread works on.
            CALLER.set(caller)
            with self._counted():
                yield
        except ConvscopeError as error:
            code = error.status
            context.abort_with_status(rpc_status.to_status(to_status(error, correlation_id)))
        except GeneratorExit:
            code = "CANCELLED"
            raise
        except Exception:
            if not context.is_active():
                code = "CANCELLED"
                raise
            code = "INTERNAL"
            log.exception("call failed")
            context.abort_with_status(rpc_status.to_status(to_status(ConvscopeError(INTERNAL), correlation_id)))
        finally:
            CALLS_RUNNING.dec()
            CALLS.labels(rpc, code).inc()
            seconds = time.perf_counter() - started
            CALL_SECONDS.labels(rpc).observe(seconds)
            end_call(span, code)
            # A generator may be ended in another thread.
            log.info("call", correlation_id=correlation_id, rpc=rpc, code=code, seconds=round(seconds, 4), **known)

    @staticmethod
    def _wrapped(handler: Handler, method: str, around: Around) -> Handler:
        # gRPC would answer INTERNAL to bytes that are no message, and on a stream lose count of the call so that the
        # server never stops; so messages are parsed here.
        parse = handler.request_deserializer
        assert parse is not None

        def read(data: bytes) -> Any:
            try:
                return parse(data)
            except DecodeError as error:
                raise InvalidInput("the request is no such message", field="", reason="REQUEST_UNREADABLE") from error

        if handler.unary_unary is not None:
            behaviour = handler.unary_unary

            def unary(data: bytes, context: grpc.ServicerContext) -> Any:
                with around(context):
                    return behaviour(read(data), context)

            return grpc.unary_unary_rpc_method_handler(unary, response_serializer=handler.response_serializer)

        if handler.stream_stream is not None:
            stream_behaviour = handler.stream_stream

            def stream(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
                with around(context):
                    yield from stream_behaviour(map(read, requests), context)

            return grpc.stream_stream_rpc_method_handler(stream, response_serializer=handler.response_serializer)
        if handler.stream_unary is not None:
            taking = handler.stream_unary

            def take(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
                with around(context):
                    return taking(map(read, requests), context)

            return grpc.stream_unary_rpc_method_handler(take, response_serializer=handler.response_serializer)
        if handler.unary_stream is not None:
            telling = handler.unary_stream

            def watch(data: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
                with around(context):
                    yield from telling(read(data), context)

            return grpc.unary_stream_rpc_method_handler(watch, response_serializer=handler.response_serializer)
        # Never let through what would be neither counted nor asked for its token.
        raise TypeError(f"{method} is a kind of call that is not wrapped yet")


@contextmanager
def _readable(context: grpc.ServicerContext) -> Iterator[None]:
    """Around calls that are not ours: to them, too, bytes that are no message are the caller's fault."""
    try:
        yield
    except InvalidInput as error:
        context.abort_with_status(rpc_status.to_status(to_status(error)))
