"""The synchronous client."""

import math
import time
from collections import abc
from collections.abc import Iterable, Iterator
from contextlib import closing
from types import TracebackType
from typing import Any, Self

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
from convscope.client.attempts import Attempts
from convscope.client.bulk import Bulk, OnProgress, Outcome, outcome_of, settled, watched
from convscope.client.caller import Caller
from convscope.client.channel import Tls
from convscope.client.collection import Collection
from convscope.client.collection_info import Described
from convscope.client.dataset_examples import DatasetExamples
from convscope.client.errors import ClientError, ServerFault
from convscope.client.images import Picture
from convscope.client.inspection import Activations, Filters
from convscope.client.inspection_plans import Numbers
from convscope.client.job_info import JobInfo
from convscope.client.jobs import CollectionJob, Job
from convscope.client.methods import Variant
from convscope.client.plans import Plan
from convscope.client.prior import PriorInfo, TrainedPrior
from convscope.client.prior_parse import to_trained
from convscope.client.readings import reading_of
from convscope.client.recipes import Recipe
from convscope.client.results import Attribution, Classification, Comparison, FailureAnalysis, Layer, Model
from convscope.client.sentences import Sentence, SentenceAttribution
from convscope.client.targets import ClassName, Target, Unit

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
        self._caller = Caller(target, token=token, tls=tls, timeout=timeout)

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
        self._caller.close()

    def ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server says that it is healthy. Raises Unavailable where there is none."""
        check = health_pb2_grpc.HealthStub(self._caller.channel).Check
        plan = Plan(lambda _: check, health_pb2.HealthCheckRequest(), lambda response: response.status)
        return bool(self._caller.run(plan, timeout) == health_pb2.HealthCheckResponse.SERVING)

    def models(self, *, timeout: float | None = None) -> list[Model]:
        """The catalogue, in the order of names; without layers and labels."""
        found: list[Model] = []
        token = ""
        while True:
            page, token = self._caller.run(plans.list_models(token), timeout)
            found += page
            if not token:
                return found

    def model(self, name: str, *, timeout: float | None = None) -> Model:
        """One model, with its layers and labels where it is loaded. Raises NotFound."""
        return self._caller.run(plans.get_model(name), timeout)

    def layers(self, name: str, *, timeout: float | None = None) -> tuple[Layer, ...]:
        """The layers of a loaded model, in the order in which a pass finishes them.

        Raises NotFound, FailedPrecondition for a model that is not loaded.
        """
        return plans.layers_of(self.model(name, timeout=timeout))

    def load_model(self, name: str, *, timeout: float = LOAD_TIMEOUT) -> Model:
        """Load a model in every replica. Raises NotFound, FailedPrecondition."""
        return self._caller.run(plans.load_model(name), timeout)

    def unload_model(self, name: str, *, timeout: float | None = None) -> Model:
        """Unload a model in every replica, when its accepted calls are done. Raises NotFound."""
        return self._caller.run(plans.unload_model(name), timeout)

    def classify(self, image: Picture, *, model: str, top_k: int = 5, timeout: float | None = None) -> Classification:
        """The `top_k` most probable classes of a picture, best first."""
        return self._caller.run(plans.classify(image, model, top_k), timeout)

    def caption(self, image: Picture, *, model: str, beams: int = 1, timeout: float | None = None) -> Sentence:
        """What a picture shows, in a sentence. beams: sentences that the search follows at a time; 1 takes the most
        probable word each time. Raises FailedPrecondition for a model that does not caption."""
        return self._caller.run(sentence_plans.caption(image, model, beams), timeout)

    def answer(
        self, image: Picture, question: str, *, model: str, top_k: int = 5, timeout: float | None = None
    ) -> Classification:
        """The `top_k` most probable answers to a question about a picture, best first. Raises FailedPrecondition for a
        model that answers no questions."""
        return self._caller.run(sentence_plans.answer(image, question, model, top_k), timeout)

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
        target: a class by index or label, Classes or a Unit; of a model that captions a Caption or a Word, of one that
        answers questions an Answer; None: the top class, or the model's own caption. data_type: float32 or float16, of
        the values. precision: what the network computes in, float32 or bfloat16; None: what the server is set to.
        on_progress: called with (done, in all) by long methods, which then have ten minutes by default.
        parameters: the method's own, such as `layer` of grad_cam; None leaves the default.
        """
        plan = plans.attribute(
            image, model=model, method=method, target=target, top_k=top_k, data_type=data_type, precision=precision,
            parameters=parameters,
        )  # fmt: skip
        if on_progress is None:
            return self._caller.run(plan, timeout)
        rpc = self._caller.stubs.attribution.AttributeStream
        seconds = LONG_TIMEOUT if timeout is None else timeout
        with closing(self._caller.stream(rpc, iter([watched(plan)]), seconds)) as stream:
            for response in stream:
                if response.HasField("progress"):
                    on_progress(response.progress.done, response.progress.total)
                else:
                    return settled(outcome_of(plan, response))
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
        return self._caller.run(plan, timeout)

    def attribute_caption(
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
        """Which pixels made `model` say each word of a caption, in one go. text: the caption; None: what it gives."""
        plan = sentence_plans.attribute_caption(
            image, model=model, text=text, beams=beams, method=method, data_type=data_type, parameters=parameters
        )
        return self._caller.run(plan, timeout)

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
        return self._caller.run(plan, timeout)

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
        rpc = self._caller.stubs.attribution.AttributeStream
        attempts, metadata = Attempts(math.inf if timeout is None else timeout), self._caller.metadata()
        try:
            while True:
                left = attempts.seconds()
                seconds = None if timeout is None else left
                try:
                    with closing(self._caller.stream(rpc, bulk.requests(), seconds, metadata)) as stream:
                        for response in stream:
                            attempts.heard()
                            yield from bulk.take(response)
                    break
                except ClientError as error:
                    lost = error
                time.sleep(attempts.pause(lost))
            yield from bulk.rest()
        finally:
            bulk.close()

    def filters(
        self,
        model: str,
        layer: str,
        *,
        outputs: Numbers = (),
        inputs: Numbers = (),
        data_type: str = "float32",
        timeout: float | None = None,
    ) -> Filters:
        """The weights of a convolution, as the model was loaded.

        outputs: filters by number; none: all. inputs: input channels by number, within the group of a filter; none:
        all. Raises InvalidArgument for a layer that is no convolution.
        """
        plan = inspection_plans.get_filters(
            model=model, layer=layer, outputs=outputs, inputs=inputs, data_type=data_type
        )
        return self._caller.run(plan, timeout)

    def activations(
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
        """What layers answer to a picture, in one pass.

        layers: one or several, by their dotted names. channels: by number, the same of every layer; none: all. order:
        of the channels: index, maximum or mean, the largest first. limit: at most so many channels of each layer.
        """
        plan = inspection_plans.get_activations(
            image, model=model, layers=layers, channels=channels, order=order, limit=limit, top_k=top_k,
            data_type=data_type,
        )  # fmt: skip
        return self._caller.run(plan, timeout)

    def embed(
        self,
        images: Picture | Iterable[Picture],
        *,
        model: str,
        layer: str | None = None,
        timeout: float | None = None,
    ) -> NDArray[np.float32]:
        """The feature vectors of one picture or many, float32 [pictures, length].

        layer: whose answer is the vector, the mean over its places where it has a grid; None: what the classifier is
        given. timeout: seconds for each call; many pictures take several.
        """
        calls = inspection_plans.embed(images, model=model, layer=layer)
        return np.concatenate([self._caller.run(plan, timeout) for plan in calls])

    def visualize_class(
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
    ) -> Job:
        """Begin to make the picture that `model` scores highest for a class; the job goes on by itself.

        target: a class by index or label, or several, one picture each, made together. recipe: a paper's way, by its
        name, see recipes(); None: olah2017. image: a picture to start from, of the size that the recipe starts with.
        prior: a learned prior of this very model, or its name, see priors(); recipes that make pictures of codes, such
        as nguyen2016_ppgn, need one, and others take none. examples: natural pictures to show beside what is made, or
        to start from, of a collection with an index of this very model. priority: 0 to 9; higher goes first.
        preview_seconds: between previews; 0: none. request_id: a call with the same one gives the same job; None: a new
        job. parameters: what is to be otherwise than the recipe has it, such as steps, size, seed; stages are mappings
        of share, scale, step, blur and layer. None leaves the server's, or the recipe's, default.
        """
        plan = synthesis_plans.visualize_class(
            model=model, target=target, recipe=recipe, image=image, prior=prior, examples=examples,
            parameters=parameters, priority=priority, preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return Job(self._caller, self._caller.run(plan, timeout))

    def visualize_channel(
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
    ) -> Job:
        """Begin to make the picture that a channel or a neuron of a layer answers most to; the job goes on by itself.

        unit: Unit("layer3", 5), its mean over all places; Unit("layer3", 5, place=(3, 4)), a neuron; or several, one
        picture each, made together. The others are those of visualize_class.
        """
        plan = synthesis_plans.visualize_channel(
            model=model, unit=unit, recipe=recipe, image=image, prior=prior, examples=examples,
            parameters=parameters, priority=priority, preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return Job(self._caller, self._caller.run(plan, timeout))

    def deep_dream(
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
    ) -> Job:
        """Begin to exaggerate in a picture what a layer sees in it; the job goes on by itself.

        layer: dotted name; None: one in the middle of the network. channels: those of the layer that count; none: all.
        guide: a picture whose features the dream should take up. steps: in each octave. octaves: sizes of the picture
        that are worked on. octave_scale: ratio of one size to the next. step_size: in grey levels of 255. jitter:
        pixels of the random shift before each step. size: longer side, in pixels, to which a larger picture is scaled
        down first. seed: of all that is random; the same seed gives the same picture. The others are those of
        visualize_class. None leaves the server's default.
        """
        plan = synthesis_plans.deep_dream(
            image, model=model, layer=layer, channels=channels, guide=guide, steps=steps, octaves=octaves,
            octave_scale=octave_scale, step_size=step_size, jitter=jitter, size=size, seed=seed, priority=priority,
            preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return Job(self._caller, self._caller.run(plan, timeout))

    def invert_features(
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
    ) -> Job:
        """Begin to make a picture whose features at a layer are those of a photograph; the job goes on by itself.

        image: the photograph. features: in its place the features themselves, floating-point numbers in the shape of
        the layer's output for one picture, [channels, height, width] of a convolution. layer: dotted name, or several,
        one picture each; None: one in the middle of the network. all_layers: about eight from the first to the last.
        recipe: one for inversion, see recipes(); None: mahendran2015. The others are those of visualize_class.
        """
        plan = synthesis_plans.invert_features(
            image, model=model, layer=layer, features=features, all_layers=all_layers, recipe=recipe,
            parameters=parameters, priority=priority, preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return Job(self._caller, self._caller.run(plan, timeout))

    def create_adversarial(
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
    ) -> Job:
        """Begin to change a picture so that `model` answers otherwise; the job goes on by itself.

        Its result() is an Adversarial. image: None: noise of the model's size. target: the class that the model is to
        answer; None: any but the one that it answers now. attack: ascent, fgsm, pgd or deepfool; None: pgd, of noise
        ascent. norm: what bounds the change, linf or l2. epsilon: the largest change, of values 0 to 1. steps: at most.
        step_size: of values 0 to 1. restarts: of pgd, the best is kept. random_start: whether pgd starts at a random
        place. confidence: the probability at which the attack ends, 0 to below 1. seed: of all that is random. The
        others are those of visualize_class. None leaves the server's default.
        """
        plan = synthesis_plans.create_adversarial(
            image, model=model, target=target, attack=attack, norm=norm, epsilon=epsilon, steps=steps,
            step_size=step_size, restarts=restarts, random_start=random_start, confidence=confidence, seed=seed,
            priority=priority, preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return Job(self._caller, self._caller.run(plan, timeout))

    def train_prior(
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
    ) -> CollectionJob[TrainedPrior]:
        """Collection.train_prior() of a collection, itself or by its name; no call is needed to find it first."""
        plan = prior_plans.train_prior(
            collection, model=model, layer=layer, preset=preset, steps=steps, batch=batch, rate=rate,
            pixel_weight=pixel_weight, feature_weight=feature_weight, adversarial_weight=adversarial_weight,
            noise=noise, generator_noise=generator_noise, seed=seed, priority=priority,
            preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_trained)

    def priors(self, *, timeout: float | None = None) -> list[PriorInfo]:
        """The learned priors: those that ship, then those that train_prior() made, the newest first. timeout: seconds
        for each call; many take several."""
        found: list[PriorInfo] = []
        token = ""
        while True:
            page, token = self._caller.run(prior_plans.list_priors(token), timeout)
            found += page
            if not token:
                return found

    def prior(self, name: str, *, timeout: float | None = None) -> PriorInfo:
        """A learned prior by its name, priors/{prior} or {prior} alone. Raises NotFound."""
        return self._caller.run(prior_plans.get_prior(name), timeout)

    def create_collection(
        self, display_name: str, *, request_id: str | None = None, timeout: float | None = None
    ) -> Collection:
        """Make an empty collection of images.

        display_name: what people call it, at most 200 characters. request_id: a call with the same one gives the same
        collection; None: a new one.
        """
        plan = collection_plans.create_collection(display_name, request_id=request_id)
        return Collection(self._caller, self._caller.run(plan, timeout))

    def collection(self, name: str, *, timeout: float | None = None) -> Collection:
        """A collection by its name, collections/{collection} or {collection} alone. Raises NotFound."""
        return Collection(self._caller, self._caller.run(collection_plans.get_collection(name), timeout))

    def collections(self, *, timeout: float | None = None) -> list[Collection]:
        """All collections, the newest first. timeout: seconds for each call; many take several."""
        found: list[Collection] = []
        token = ""
        while True:
            page, token = self._caller.run(collection_plans.list_collections(token), timeout)
            found += [Collection(self._caller, info) for info in page]
            if not token:
                return found

    def recipes(self, *, timeout: float | None = None) -> list[Recipe]:
        """The recipes of visualize_class, visualize_channel and invert_features, in the order of their years."""
        return self._caller.run(synthesis_plans.list_recipes(), timeout)

    def job(self, name: str, *, timeout: float | None = None) -> Job:
        """A job by its name, jobs/{job} or {job} alone. Raises NotFound.

        Of a job of any kind; where it works on a collection, collection_job() gives its result.
        """
        return Job(self._caller, self._caller.run(job_plans.get_job(name), timeout).name)

    def collection_job(self, name: str, *, timeout: float | None = None) -> CollectionJob[Any]:
        """A job on a collection by its name, whose result() is what the call that began it would have given. Raises
        NotFound, FailedPrecondition for a job of another kind."""
        info = self._caller.run(job_plans.get_job(name), timeout)
        return CollectionJob(self._caller, info.name, reading_of(info))

    def jobs(
        self,
        *,
        states: str | Iterable[str] = (),
        kinds: str | Iterable[str] = (),
        page_size: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[JobInfo]:
        """All jobs, the newest first, asked for page by page as they are taken.

        states, kinds: only these; none: all. page_size: jobs for each call, 1 to 1000. timeout: seconds for each call.
        """
        return self._pages(job_plans.JobPages(states, kinds, page_size), timeout)

    def _pages(self, pages: job_plans.JobPages, timeout: float | None) -> Iterator[JobInfo]:
        while not pages.over:
            yield from self._caller.run(pages.plan(), timeout)
