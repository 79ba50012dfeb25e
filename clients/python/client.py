"""The synchronous client."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.client import plans
from convscope.client.bulk import Bulk, OnProgress, Outcome, outcome_of, settled, watched
from convscope.client.channel import Tls, metadata, open_channel
from convscope.client.errors import ServerFault, from_rpc_error
from convscope.client.images import Picture
from convscope.client.methods import Variant
from convscope.client.plans import Plan, Stubs
from convscope.client.results import Attribution, Classification, Comparison, FailureAnalysis, Layer, Model
from convscope.client.targets import Target

T = TypeVar("T")
DEFAULT_TIMEOUT = 30.0
LOAD_TIMEOUT = 600.0
LONG_TIMEOUT = 600.0


class Client:
    """Calls a cluster. Safe to use from several threads; close it, or use it in a `with` block.

    Every call has a deadline, is tried again while the server is UNAVAILABLE, and raises a ClientError.
    """

    def __init__(
        self, target: str = "localhost:50051", *, token: str | None = None, tls: Tls | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:  # fmt: skip
        """target: host:port, or any name that gRPC resolves. token: sent with every call. tls: None for no encryption.
        timeout: seconds that a call may take, where it does not say itself."""
        self.target = target
        self._timeout = timeout
        self._metadata = metadata(token)
        self._channel = open_channel(target, tls)
        self._stubs = Stubs(self._channel)

    @classmethod
    def connect(
        cls, target: str = "localhost:50051", *, token: str | None = None, tls: Tls | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Self:  # fmt: skip
        """A client for the cluster at `target`. The connection is made by the first call."""
        return cls(target, token=token, tls=tls, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; calls under way are cancelled."""
        self._channel.close()

    def ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server says that it is healthy. Raises Unavailable where there is none."""
        check = health_pb2_grpc.HealthStub(self._channel).Check
        plan = Plan(lambda _: check, health_pb2.HealthCheckRequest(), lambda response: response.status)
        return bool(self._run(plan, timeout) == health_pb2.HealthCheckResponse.SERVING)

    def models(self, *, timeout: float | None = None) -> list[Model]:
        """The catalogue, in the order of names; without layers and labels."""
        found: list[Model] = []
        token = ""
        while True:
            page, token = self._run(plans.list_models(token), timeout)
            found += page
            if not token:
                return found

    def model(self, name: str, *, timeout: float | None = None) -> Model:
        """One model, with its layers and labels where it is loaded. Raises NotFound."""
        return self._run(plans.get_model(name), timeout)

    def layers(self, name: str, *, timeout: float | None = None) -> tuple[Layer, ...]:
        """The layers of a loaded model, in the order in which a pass finishes them.

        Raises NotFound, FailedPrecondition for a model that is not loaded.
        """
        return plans.layers_of(self.model(name, timeout=timeout))

    def load_model(self, name: str, *, timeout: float = LOAD_TIMEOUT) -> Model:
        """Load a model in every replica. Raises NotFound, FailedPrecondition."""
        return self._run(plans.load_model(name), timeout)

    def unload_model(self, name: str, *, timeout: float | None = None) -> Model:
        """Unload a model in every replica, when its accepted calls are done. Raises NotFound."""
        return self._run(plans.unload_model(name), timeout)

    def classify(self, image: Picture, *, model: str, top_k: int = 5, timeout: float | None = None) -> Classification:
        """The `top_k` most probable classes of a picture, best first."""
        return self._run(plans.classify(image, model, top_k), timeout)

    def attribute(
        self,
        image: Picture,
        *,
        model: str,
        method: str,
        target: Target = None,
        top_k: int = 5,
        data_type: str = "float32",
        precision: str | None = None,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
        **parameters: Any,
    ) -> Attribution:
        """Which pixels made `model` say `target`.

        image: a path, an encoded file's bytes, a Pillow image, uint8 [H, W, 3] in RGB, or Preprocessed(array).
        target: a class by index or label, Classes or a Unit; None: the top class. data_type: float32 or float16, of the
        values. precision: what the network computes in, float32 or bfloat16; None: what the server is set to.
        on_progress: called with (done, in all) by long methods, which then have ten minutes by default.
        parameters: the method's own, such as `layer` of grad_cam; None leaves the default.
        """
        plan = plans.attribute(
            image, model=model, method=method, target=target, top_k=top_k, data_type=data_type, precision=precision,
            parameters=parameters,
        )  # fmt: skip
        if on_progress is None:
            return self._run(plan, timeout)
        seconds = LONG_TIMEOUT if timeout is None else timeout
        stream = self._stubs.attribution.AttributeStream(
            iter([watched(plan)]), timeout=seconds, metadata=self._metadata
        )
        try:
            for response in stream:
                if response.HasField("progress"):
                    on_progress(response.progress.done, response.progress.total)
                else:
                    return settled(outcome_of(plan, response))
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.target) from None
        finally:
            stream.cancel()
        raise ServerFault("the stream ended without an answer")

    def compare(
        self,
        image: Picture,
        variants: Iterable[Variant | str],
        *,
        model: str,
        target: Target = None,
        top_k: int = 5,
        data_type: str = "float32",
        precision: str | None = None,
        timeout: float = LONG_TIMEOUT,
    ) -> Comparison:
        """Explain a picture with several methods or for several targets, at the cost of one pass where they can share.

        variants: names of methods, or Variant("grad_cam", target=281, layer="layer3"). target: of those that name none.
        """
        plan = plans.compare(
            image, model=model, variants=variants, target=target, top_k=top_k, data_type=data_type, precision=precision
        )
        return self._run(plan, timeout)

    def analyze_failure(
        self,
        image: Picture,
        truth: int | str,
        *,
        model: str,
        method: str = "grad_cam",
        top_k: int = 5,
        data_type: str = "float32",
        precision: str | None = None,
        timeout: float = LONG_TIMEOUT,
        **parameters: Any,
    ) -> FailureAnalysis:
        """Why `model` said what it said, beside what speaks for the truth, a class by index or label."""
        plan = plans.analyze_failure(
            image, model=model, truth=truth, method=method, top_k=top_k, data_type=data_type, precision=precision,
            parameters=parameters,
        )  # fmt: skip
        return self._run(plan, timeout)

    def attribute_many(
        self,
        images: Iterable[Picture],
        *,
        model: str,
        method: str,
        target: Target = None,
        top_k: int = 5,
        data_type: str = "float32",
        precision: str | None = None,
        timeout: float | None = None,
        **parameters: Any,
    ) -> Iterator[Outcome]:
        """attribute() for many pictures over one stream, in their order; `images` may be endless.

        A picture that fails gives its ClientError in its place, and the others go on. timeout: seconds for the whole
        stream; None: no limit.
        """
        bulk = Bulk(
            images,
            lambda image: plans.attribute(
                image, model=model, method=method, target=target, top_k=top_k, data_type=data_type,
                precision=precision, parameters=parameters,
            ),
        )  # fmt: skip
        stream = self._stubs.attribution.AttributeStream(bulk.requests(), timeout=timeout, metadata=self._metadata)
        try:
            for response in stream:
                yield from bulk.take(response)
            yield from bulk.rest()
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.target) from None
        finally:
            bulk.close()
            stream.cancel()

    def _run(self, plan: Plan[T], timeout: float | None) -> T:
        seconds = self._timeout if timeout is None else timeout
        try:
            response = plan.rpc(self._stubs)(plan.request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.target) from None
        return plan.parse(response)
