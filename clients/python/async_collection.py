"""A collection of images on an event loop: the methods of Collection, awaited."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Self, TypeVar

from PIL import Image as PillowImage

from convscope.client import annotation_plans, collection_plans, evaluation_plans, prior_plans, search_plans
from convscope.client.annotating import AnnotationUpload
from convscope.client.annotations import Annotation, AnnotationFiles, AnnotationInfo
from convscope.client.async_caller import AsyncCaller
from convscope.client.async_jobs import AsyncCollectionJob
from convscope.client.attention import AttentionUpload
from convscope.client.bulk import OnProgress
from convscope.client.collection_info import CollectionImage, CollectionIndex, CollectionInfo, Described
from convscope.client.collection_map import CollectionMap
from convscope.client.collection_parse import to_imported, to_indexed, to_map
from convscope.client.collection_plans import Named, Pages
from convscope.client.evaluation import AttentionEvaluation, Evaluation
from convscope.client.evaluation_parse import to_attention_evaluation, to_evaluation
from convscope.client.evaluation_plans import Methods
from convscope.client.grey import Grey
from convscope.client.images import Picture
from convscope.client.neighbors import NeighborComparison, Neighbors
from convscope.client.patches import Patches
from convscope.client.plans import Plan
from convscope.client.prior import TrainedPrior
from convscope.client.prior_parse import to_trained
from convscope.client.synthesis import to_picture
from convscope.client.taken import Annotated, Imported, Uploaded
from convscope.client.uploading import Upload

T = TypeVar("T")


class AsyncCollection(Described):
    """A collection of images that a cluster keeps; AsyncClient gives it. Arguments and errors are those of Collection;
    its properties need not be awaited."""

    def __init__(self, caller: AsyncCaller, info: CollectionInfo) -> None:
        super().__init__(info)
        self._caller = caller

    async def refresh(self, *, timeout: float | None = None) -> Self:
        self.info = await self._caller.run(collection_plans.get_collection(self.name), timeout)
        return self

    async def delete(self, *, timeout: float | None = None) -> None:
        await self._caller.run(collection_plans.delete_collection(self.name), timeout)

    async def upload(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Uploaded:
        # In a thread: folders are looked into.
        upload = await asyncio.to_thread(Upload, self.name, pictures)
        return await self._caller.send(upload, on_progress, timeout)

    def images(self, *, page_size: int | None = None, timeout: float | None = None) -> AsyncIterator[CollectionImage]:
        return self._pages(collection_plans.ImagePages(self.name, page_size), timeout)

    async def image(self, number: int, *, timeout: float | None = None) -> PillowImage.Image:
        data = await self._caller.run(collection_plans.get_image(self.name, number), timeout)
        return await asyncio.to_thread(to_picture, data, f"the image {number}")

    async def import_images(
        self, url: str, *, priority: int | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> AsyncCollectionJob[Imported]:
        plan = collection_plans.import_images(self.name, url, priority=priority, request_id=request_id)
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_imported)

    async def import_shapes(
        self,
        task: str,
        count: int,
        *,
        seed: int | None = None,
        priority: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncCollectionJob[Imported]:
        plan = collection_plans.import_shapes(
            self.name, task, count, seed=seed, priority=priority, request_id=request_id
        )
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_imported)

    async def annotate(
        self,
        annotations: Annotation | Iterable[Annotation],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Annotated:
        # In a thread: masks are read and encoded.
        upload = await asyncio.to_thread(AnnotationUpload, self.name, annotations)
        return await self._caller.send(upload, on_progress, timeout)

    async def upload_attention(
        self,
        maps: str | Path | Mapping[str, Grey],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Annotated:
        # In a thread: folders are looked into.
        upload = await asyncio.to_thread(AttentionUpload, self.name, maps)
        return await self._caller.send(upload, on_progress, timeout)

    def annotations(
        self, *, page_size: int | None = None, timeout: float | None = None
    ) -> AsyncIterator[AnnotationInfo]:
        return self._pages(annotation_plans.AnnotationPages(self.name, page_size), timeout)

    async def annotation(self, id: str, *, timeout: float | None = None) -> AnnotationFiles:
        return await self._caller.run(annotation_plans.get_annotation(self.name, id), timeout)

    async def download_attention(self, folder: str | Path, *, timeout: float | None = None) -> list[Path]:
        paths: list[Path] = []
        async for info in self.annotations(timeout=timeout):
            if info.attention_map_count:
                files = await self.annotation(info.id, timeout=timeout)
                paths += await asyncio.to_thread(files.save_attention, folder)
        return paths

    async def index(
        self,
        *,
        model: str,
        layers: str | Iterable[str] = (),
        embedding_layer: str | None = None,
        patches_per_channel: int | None = None,
        neurons: bool = False,
        priority: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncCollectionJob[CollectionIndex]:
        plan = collection_plans.index(
            self.name, model=model, layers=layers, embedding_layer=embedding_layer,
            patches_per_channel=patches_per_channel, neurons=neurons, priority=priority, request_id=request_id,
        )  # fmt: skip
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_indexed)

    async def project(
        self,
        *,
        index: str | CollectionIndex | None = None,
        method: str = "tsne",
        perplexity: float | None = None,
        metric: str | None = None,
        seed: int | None = None,
        onto: str | Named | CollectionMap | None = None,
        priority: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncCollectionJob[CollectionMap]:
        plan = collection_plans.project(
            self.name, index=index, method=method, perplexity=perplexity, metric=metric, seed=seed, onto=onto,
            priority=priority, request_id=request_id,
        )  # fmt: skip
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_map)

    async def evaluate_methods(
        self,
        *,
        model: str,
        methods: Methods,
        metrics: str | Iterable[str] = (),
        limit: int | None = None,
        seed: int | None = None,
        tolerance: float | None = None,
        curve_steps: int | None = None,
        samples: int | None = None,
        noise: float | None = None,
        radius: float | None = None,
        stages: int | None = None,
        priority: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncCollectionJob[Evaluation]:
        plan = evaluation_plans.evaluate_methods(
            self.name, model=model, methods=methods, metrics=metrics, limit=limit, seed=seed, tolerance=tolerance,
            curve_steps=curve_steps, samples=samples, noise=noise, radius=radius, stages=stages, priority=priority,
            request_id=request_id,
        )  # fmt: skip
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_evaluation)

    async def evaluate_attention(
        self,
        *,
        model: str,
        methods: Methods,
        limit: int | None = None,
        seed: int | None = None,
        priority: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncCollectionJob[AttentionEvaluation]:
        plan = evaluation_plans.evaluate_attention(
            self.name, model=model, methods=methods, limit=limit, seed=seed, priority=priority, request_id=request_id
        )
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_attention_evaluation)

    async def train_prior(
        self,
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
            self, model=model, layer=layer, preset=preset, steps=steps, batch=batch, rate=rate,
            pixel_weight=pixel_weight, feature_weight=feature_weight, adversarial_weight=adversarial_weight,
            noise=noise, generator_noise=generator_noise, seed=seed, priority=priority,
            preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return AsyncCollectionJob(self._caller, await self._caller.run(plan, timeout), to_trained)

    async def find_patches(
        self,
        layer: str,
        channel: int,
        *,
        place: tuple[int, int] | None = None,
        k: int | None = None,
        model: str | None = None,
        several_per_image: bool = False,
        crops: bool = True,
        timeout: float | None = None,
    ) -> Patches:
        plan = search_plans.find_patches(
            self.name,
            model=model,
            layer=layer,
            channel=channel,
            place=place,
            k=k,
            several_per_image=several_per_image,
            crops=crops,
        )
        return await self._ask(plan, model, timeout)

    async def find_neighbors(
        self,
        image: Picture | int,
        *,
        k: int = 5,
        space: str = "features",
        metric: str = "l2",
        embedding_layer: str | None = None,
        model: str | None = None,
        thumbnails: bool = True,
        timeout: float | None = None,
    ) -> Neighbors:
        plan = search_plans.find_neighbors(
            self.name, await asyncio.to_thread(search_plans.to_query, image), model=model, k=k, space=space,
            metric=metric, embedding_layer=embedding_layer, thumbnails=thumbnails,
        )  # fmt: skip
        return await self._ask(plan, model, timeout)

    async def compare_neighbors(
        self,
        image: Picture | int,
        *,
        k: int = 5,
        metric: str = "l2",
        embedding_layer: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
    ) -> NeighborComparison:
        query, features, pixels = await asyncio.to_thread(
            search_plans.compare_neighbors,
            self.name, image, model=model, k=k, metric=metric, embedding_layer=embedding_layer,
        )  # fmt: skip
        near = await self._ask(features, model, timeout)
        beside = await self._ask(pixels, model, timeout)
        if isinstance(query, int):
            return NeighborComparison(await self.image(query, timeout=timeout), near, beside)
        return NeighborComparison(await asyncio.to_thread(search_plans.to_query_picture, query), near, beside)

    async def _ask(self, plan: Plan[T], model: str | None, timeout: float | None) -> T:
        if model is None:
            plan = collection_plans.of_only_model(plan, (await self.refresh(timeout=timeout)).info)
        return await self._caller.run(plan, timeout)

    async def _pages(self, pages: Pages[T], timeout: float | None) -> AsyncIterator[T]:
        while not pages.over:
            for one in await self._caller.run(pages.plan(), timeout):
                yield one
