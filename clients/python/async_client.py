"""The asynchronous client: the methods of Client, awaited."""

import asyncio
import math
from collections import abc
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import ArrayLike, NDArray

from convscope.client import (
    collection_plans,
    inspection_plans,
    job_plans,
    plans,
    prior_plans,
    sentence_plans,
    synthesis_plans,
)
from convscope.client.async_caller import AsyncCaller, raise_where_closed
from convscope.client.async_collection import AsyncCollection
from convscope.client.async_jobs import AsyncCollectionJob, AsyncJob
from convscope.client.attempts import Attempts
from convscope.client.bulk import Bulk, OnProgress, Outcome, outcome_of, settled, watched
from convscope.client.channel import Tls
from convscope.client.client import DEFAULT_TIMEOUT, LOAD_TIMEOUT, LONG_TIMEOUT
from convscope.client.collection_info import Described
from convscope.client.dataset_examples import DatasetExamples
from convscope.client.errors import ServerFault, from_rpc_error
from convscope.client.images import Picture
from convscope.client.inspection import Activations, Filters
from convscope.client.inspection_plans import Numbers
from convscope.client.job_info import JobInfo
from convscope.client.methods import Variant
from convscope.client.plans import Plan
from convscope.client.prior import PriorInfo, TrainedPrior
from convscope.client.prior_parse import to_trained
from convscope.client.readings import reading_of
from convscope.client.recipes import Recipe
from convscope.client.results import Attribution, Classification, Comparison, FailureAnalysis, Layer, Model
from convscope.client.sentences import Sentence, SentenceAttribution
from convscope.client.targets import ClassName, Target, Unit


class AsyncClient:
    """Calls a cluster from an event loop; use it in an `async with` block. Arguments and errors are those of Client."""

    def __init__(
        self, target: str = "localhost:50051", *, token: str | None = None, tls: Tls | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:  # fmt: skip
        self.target = target
        self._caller = AsyncCaller(target, token=token, tls=tls, timeout=timeout)

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
        await self._caller.close()

    async def ready(self, *, timeout: float | None = None) -> bool:
        check = health_pb2_grpc.HealthStub(self._caller.channel).Check
        plan = Plan(lambda _: check, health_pb2.HealthCheckRequest(), lambda response: response.status)
        return bool(await self._caller.run(plan, timeout) == health_pb2.HealthCheckResponse.SERVING)

    async def models(self, *, timeout: float | None = None) -> list[Model]:
        found: list[Model] = []
        token = ""
        while True:
            page, token = await self._caller.run(plans.list_models(token), timeout)
            found += page
            if not token:
                return found

    async def model(self, name: str, *, timeout: float | None = None) -> Model:
        return await self._caller.run(plans.get_model(name), timeout)

    async def layers(self, name: str, *, timeout: float | None = None) -> tuple[Layer, ...]:
        return plans.layers_of(await self.model(name, timeout=timeout))

    async def load_model(self, name: str, *, timeout: float = LOAD_TIMEOUT) -> Model:
        return await self._caller.run(plans.load_model(name), timeout)

    async def unload_model(self, name: str, *, timeout: float | None = None) -> Model:
        return await self._caller.run(plans.unload_model(name), timeout)

    async def classify(
        self, image: Picture, *, model: str, top_k: int = 5, timeout: float | None = None
    ) -> Classification:
        # In a thread: a file is read and a large picture encoded.
        plan = await asyncio.to_thread(plans.classify, image, model, top_k)
        return await self._caller.run(plan, timeout)

    async def caption(self, image: Picture, *, model: str, beams: int = 1, timeout: float | None = None) -> Sentence:
        plan = await asyncio.to_thread(sentence_plans.caption, image, model, beams)
        return await self._caller.run(plan, timeout)

    async def answer(
        self, image: Picture, question: str, *, model: str, top_k: int = 5, timeout: float | None = None
    ) -> Classification:
        plan = await asyncio.to_thread(sentence_plans.answer, image, question, model, top_k)
        return await self._caller.run(plan, timeout)

    async def attribute(
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
        plan = await asyncio.to_thread(
            plans.attribute,
            image,
            model=model,
            method=method,
            target=target,
            top_k=top_k,
            data_type=data_type,
            precision=precision,
            parameters=parameters,
        )
        if on_progress is None:
            return await self._caller.run(plan, timeout)
        rpc: Any = self._caller.stubs.attribution.AttributeStream
        seconds = LONG_TIMEOUT if timeout is None else timeout
        metadata = self._caller.metadata()
        stream = rpc(iter([watched(plan)]), timeout=seconds, metadata=metadata)
        try:
            async for response in stream:
                if response.HasField("progress"):
                    on_progress(response.progress.done, response.progress.total)
                else:
                    return settled(outcome_of(plan, response))
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.target, metadata) from None
        except asyncio.CancelledError:
            raise_where_closed()
            raise
        finally:
            stream.cancel()
        raise ServerFault("the stream ended without an answer")

    async def compare(
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
        plan = await asyncio.to_thread(
            plans.compare,
            image,
            model=model,
            variants=variants,
            target=target,
            top_k=top_k,
            data_type=data_type,
            precision=precision,
        )
        return await self._caller.run(plan, timeout)

    async def attribute_caption(
        self,
        image: Picture,
        text: str | None = None,
        *,
        model: str,
        beams: int = 1,
        method: str = "grad_cam",
        data_type: str = "float32",
        timeout: float = LONG_TIMEOUT,
        **parameters: Any,
    ) -> SentenceAttribution:
        plan = await asyncio.to_thread(
            sentence_plans.attribute_caption,
            image, model=model, text=text, beams=beams, method=method, data_type=data_type, parameters=parameters,
        )  # fmt: skip
        return await self._caller.run(plan, timeout)

    async def analyze_failure(
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
        plan = await asyncio.to_thread(
            plans.analyze_failure,
            image,
            model=model,
            truth=truth,
            method=method,
            top_k=top_k,
            data_type=data_type,
            precision=precision,
            parameters=parameters,
        )
        return await self._caller.run(plan, timeout)

    async def attribute_many(
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
    ) -> AsyncIterator[Outcome]:
        bulk = Bulk(
            images,
            lambda image: plans.attribute(
                image, model=model, method=method, target=target, top_k=top_k, data_type=data_type,
                precision=precision, parameters=parameters,
            ),
        )  # fmt: skip
        rpc: Any = self._caller.stubs.attribution.AttributeStream
        attempts, metadata = Attempts(math.inf if timeout is None else timeout), self._caller.metadata()
        stream: Any = None
        try:
            while True:
                left = attempts.seconds()
                stream = rpc(bulk.async_requests(), timeout=None if timeout is None else left, metadata=metadata)
                try:
                    async for response in stream:
                        attempts.heard()
                        for outcome in bulk.take(response):
                            yield outcome
                    break
                except grpc.RpcError as error:
                    lost = from_rpc_error(error, self.target, metadata)
                await asyncio.sleep(attempts.pause(lost))
            for outcome in bulk.rest():
                yield outcome
        except asyncio.CancelledError:
            raise_where_closed()
            raise
        finally:
            bulk.close()
            stream.cancel()

    async def filters(
        self,
        model: str,
        layer: str,
        *,
        outputs: Numbers = (),
        inputs: Numbers = (),
        data_type: str = "float32",
        timeout: float | None = None,
    ) -> Filters:
        plan = inspection_plans.get_filters(
            model=model, layer=layer, outputs=outputs, inputs=inputs, data_type=data_type
        )
        return await self._caller.run(plan, timeout)

    async def activations(
        self,
        image: Picture,
        *,
        model: str,
        layers: str | Iterable[str],
        channels: Numbers = (),
        order: str = "index",
        limit: int | None = None,
        top_k: int = 5,
        data_type: str = "float32",
        timeout: float | None = None,
    ) -> Activations:
        plan = await asyncio.to_thread(
            inspection_plans.get_activations,
            image, model=model, layers=layers, channels=channels, order=order, limit=limit, top_k=top_k,
            data_type=data_type,
        )  # fmt: skip
        return await self._caller.run(plan, timeout)

    async def embed(
        self,
        images: Picture | Iterable[Picture],
        *,
        model: str,
        layer: str | None = None,
        timeout: float | None = None,
    ) -> NDArray[np.float32]:
        calls = inspection_plans.embed(images, model=model, layer=layer)
        found: list[NDArray[np.float32]] = []
        while (plan := await asyncio.to_thread(next, calls, None)) is not None:
            found.append(await self._caller.run(plan, timeout))
        return np.concatenate(found)

    async def visualize_class(
        self,
        *,
        model: str,
        target: ClassName | abc.Collection[ClassName],
        recipe: str | None = None,
        image: Picture | None = None,
        prior: str | PriorInfo | None = None,
        examples: DatasetExamples | None = None,
        priority: int | None = None,
        preview_seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        **parameters: Any,
    ) -> AsyncJob:
        plan = await asyncio.to_thread(
            synthesis_plans.visualize_class, model=model, target=target, recipe=recipe, image=image, prior=prior,
            examples=examples, parameters=parameters, priority=priority, preview_seconds=preview_seconds,
            request_id=request_id,
        )  # fmt: skip
        return AsyncJob(self._caller, await self._caller.run(plan, timeout))

    async def visualize_channel(
        self,
        *,
        model: str,
        unit: Unit | abc.Collection[Unit],
        recipe: str | None = None,
        image: Picture | None = None,
        prior: str | PriorInfo | None = None,
        examples: DatasetExamples | None = None,
        priority: int | None = None,
        preview_seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        **parameters: Any,
    ) -> AsyncJob:
        plan = await asyncio.to_thread(
            synthesis_plans.visualize_channel, model=model, unit=unit, recipe=recipe, image=image, prior=prior,
            examples=examples, parameters=parameters, priority=priority, preview_seconds=preview_seconds,
            request_id=request_id,
        )  # fmt: skip
        return AsyncJob(self._caller, await self._caller.run(plan, timeout))

    async def deep_dream(
        self,
        image: Picture,
        *,
        model: str,
        layer: str | None = None,
        channels: Iterable[int] = (),
        guide: Picture | None = None,
        steps: int | None = None,
        octaves: int | None = None,
        octave_scale: float | None = None,
        step_size: float | None = None,
        jitter: int | None = None,
        size: int | None = None,
        seed: int | None = None,
        priority: int | None = None,
        preview_seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncJob:
        plan = await asyncio.to_thread(
            synthesis_plans.deep_dream, image, model=model, layer=layer, channels=channels, guide=guide, steps=steps,
            octaves=octaves, octave_scale=octave_scale, step_size=step_size, jitter=jitter, size=size, seed=seed,
            priority=priority, preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return AsyncJob(self._caller, await self._caller.run(plan, timeout))

    async def invert_features(
        self,
        image: Picture | None = None,
        *,
        model: str,
        layer: str | Iterable[str] | None = None,
        features: ArrayLike | None = None,
        all_layers: bool = False,
        recipe: str | None = None,
        priority: int | None = None,
        preview_seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        **parameters: Any,
    ) -> AsyncJob:
        plan = await asyncio.to_thread(
            synthesis_plans.invert_features, image, model=model, layer=layer, features=features,
            all_layers=all_layers, recipe=recipe, parameters=parameters, priority=priority,
            preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return AsyncJob(self._caller, await self._caller.run(plan, timeout))

    async def create_adversarial(
        self,
        image: Picture | None = None,
        *,
        model: str,
        target: ClassName | None = None,
        attack: str | None = None,
        norm: str | None = None,
        epsilon: float | None = None,
        steps: int | None = None,
        step_size: float | None = None,
        restarts: int | None = None,
        random_start: bool | None = None,
        confidence: float | None = None,
        seed: int | None = None,
        priority: int | None = None,
        preview_seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncJob:
        plan = await asyncio.to_thread(
            synthesis_plans.create_adversarial, image, model=model, target=target, attack=attack, norm=norm,
            epsilon=epsilon, steps=steps, step_size=step_size, restarts=restarts, random_start=random_start,
            confidence=confidence, seed=seed, priority=priority, preview_seconds=preview_seconds,
            request_id=request_id,
        )  # fmt: skip
        return AsyncJob(self._caller, await self._caller.run(plan, timeout))

    async def train_prior(
        self,
        collection: str | Described,
        *,
        model: str,
        layer: str,
        preset: str | None = None,
        steps: int | None = None,
        batch: int | None = None,
        rate: float | None = None,
        pixel_weight: float | None = None,
        feature_weight: float | None = None,
        adversarial_weight: float | None = None,
        noise: float | None = None,
        generator_noise: float | None = None,
        seed: int | None = None,
        priority: int | None = None,
        preview_seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncCollectionJob[TrainedPrior]:
        plan = prior_plans.train_prior(
            collection, model=model, layer=layer, preset=preset, steps=steps, batch=batch, rate=rate,
            pixel_weight=pixel_weight, feature_weight=feature_weight, adversarial_weight=adversarial_weight,
            noise=noise, generator_noise=generator_noise, seed=seed, priority=priority,
            preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_trained)

    async def priors(self, *, timeout: float | None = None) -> list[PriorInfo]:
        found: list[PriorInfo] = []
        token = ""
        while True:
            page, token = await self._caller.run(prior_plans.list_priors(token), timeout)
            found += page
            if not token:
                return found

    async def prior(self, name: str, *, timeout: float | None = None) -> PriorInfo:
        return await self._caller.run(prior_plans.get_prior(name), timeout)

    async def create_collection(
        self, display_name: str, *, request_id: str | None = None, timeout: float | None = None
    ) -> AsyncCollection:
        plan = collection_plans.create_collection(display_name, request_id=request_id)
        return AsyncCollection(self._caller, await self._caller.run(plan, timeout))

    async def collection(self, name: str, *, timeout: float | None = None) -> AsyncCollection:
        return AsyncCollection(self._caller, await self._caller.run(collection_plans.get_collection(name), timeout))

    async def collections(self, *, timeout: float | None = None) -> list[AsyncCollection]:
        found: list[AsyncCollection] = []
        token = ""
        while True:
            page, token = await self._caller.run(collection_plans.list_collections(token), timeout)
            found += [AsyncCollection(self._caller, info) for info in page]
            if not token:
                return found

    async def recipes(self, *, timeout: float | None = None) -> list[Recipe]:
        return await self._caller.run(synthesis_plans.list_recipes(), timeout)

    async def job(self, name: str, *, timeout: float | None = None) -> AsyncJob:
        return AsyncJob(self._caller, (await self._caller.run(job_plans.get_job(name), timeout)).name)

    async def collection_job(self, name: str, *, timeout: float | None = None) -> AsyncCollectionJob[Any]:
        info = await self._caller.run(job_plans.get_job(name), timeout)
        return AsyncCollectionJob(self._caller, info.name, reading_of(info))

    def jobs(
        self,
        *,
        states: str | Iterable[str] = (),
        kinds: str | Iterable[str] = (),
        page_size: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[JobInfo]:
        return self._pages(job_plans.JobPages(states, kinds, page_size), timeout)

    async def _pages(self, pages: job_plans.JobPages, timeout: float | None) -> AsyncIterator[JobInfo]:
        while not pages.over:
            for info in await self._caller.run(pages.plan(), timeout):
                yield info
