"""The asynchronous client: the methods of Client, awaited."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.client import plans
from convscope.client.bulk import Bulk, Outcome
from convscope.client.channel import Tls, metadata, open_async_channel
from convscope.client.client import DEFAULT_TIMEOUT, LOAD_TIMEOUT
from convscope.client.errors import Cancelled, from_rpc_error
from convscope.client.images import Picture
from convscope.client.plans import Plan, Stubs, Target
from convscope.client.results import Attribution, Classification, Layer, Model

T = TypeVar("T")


class AsyncClient:
    """Calls a cluster from an event loop; use it in an `async with` block. Arguments and errors are those of Client."""

    def __init__(
        self, target: str = "localhost:50051", *, token: str | None = None, tls: Tls | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:  # fmt: skip
        self.target = target
        self._timeout = timeout
        self._metadata = metadata(token)
        self._channel = open_async_channel(target, tls)
        self._stubs = Stubs(self._channel)

    @classmethod
    def connect(
        cls, target: str = "localhost:50051", *, token: str | None = None, tls: Tls | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Self:  # fmt: skip
        """A client for the cluster at `target`; call it where the event loop runs."""
        return cls(target, token=token, tls=tls, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close()

    async def ready(self, *, timeout: float | None = None) -> bool:
        check = health_pb2_grpc.HealthStub(self._channel).Check
        plan = Plan(lambda _: check, health_pb2.HealthCheckRequest(), lambda response: response.status)
        return bool(await self._run(plan, timeout) == health_pb2.HealthCheckResponse.SERVING)

    async def models(self, *, timeout: float | None = None) -> list[Model]:
        found: list[Model] = []
        token = ""
        while True:
            page, token = await self._run(plans.list_models(token), timeout)
            found += page
            if not token:
                return found

    async def model(self, name: str, *, timeout: float | None = None) -> Model:
        return await self._run(plans.get_model(name), timeout)

    async def layers(self, name: str, *, timeout: float | None = None) -> tuple[Layer, ...]:
        return plans.layers_of(await self.model(name, timeout=timeout))

    async def load_model(self, name: str, *, timeout: float = LOAD_TIMEOUT) -> Model:
        return await self._run(plans.load_model(name), timeout)

    async def unload_model(self, name: str, *, timeout: float | None = None) -> Model:
        return await self._run(plans.unload_model(name), timeout)

    async def classify(
        self, image: Picture, *, model: str, top_k: int = 5, timeout: float | None = None
    ) -> Classification:
        # In a thread: a file is read and a large picture encoded.
        plan = await asyncio.to_thread(plans.classify, image, model, top_k)
        return await self._run(plan, timeout)

    async def attribute(
        self,
        image: Picture,
        *,
        model: str,
        method: str,
        target: Target = None,
        top_k: int = 5,
        precision: str = "float32",
        timeout: float | None = None,
        **parameters: Any,
    ) -> Attribution:
        plan = await asyncio.to_thread(
            plans.attribute,
            image,
            model=model,
            method=method,
            target=target,
            top_k=top_k,
            precision=precision,
            parameters=parameters,
        )
        return await self._run(plan, timeout)

    async def attribute_many(
        self,
        images: Iterable[Picture],
        *,
        model: str,
        method: str,
        target: Target = None,
        top_k: int = 5,
        precision: str = "float32",
        timeout: float | None = None,
        **parameters: Any,
    ) -> AsyncIterator[Outcome]:
        bulk = Bulk(
            images,
            lambda image: plans.attribute(
                image, model=model, method=method, target=target, top_k=top_k, precision=precision,
                parameters=parameters,
            ),
        )  # fmt: skip
        rpc: Any = self._stubs.attribution.AttributeStream
        stream = rpc(bulk.async_requests(), timeout=timeout, metadata=self._metadata)
        try:
            async for response in stream:
                for outcome in bulk.take(response):
                    yield outcome
            for outcome in bulk.rest():
                yield outcome
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.target) from None
        finally:
            bulk.close()
            stream.cancel()

    async def _run(self, plan: Plan[T], timeout: float | None) -> T:
        seconds = self._timeout if timeout is None else timeout
        try:
            response = await plan.rpc(self._stubs)(plan.request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.target) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # gRPC says so too where nobody cancelled the task: the client was closed.
            raise Cancelled("the client was closed", status="CANCELLED") from None
        return plan.parse(response)
