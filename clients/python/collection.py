"""A collection of images, and what is found out about them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self, TypeVar

from PIL import Image as PillowImage

from convscope.client import annotation_plans, collection_plans, evaluation_plans, prior_plans, search_plans
from convscope.client.annotating import AnnotationUpload
from convscope.client.annotations import Annotation, AnnotationFiles, AnnotationInfo
from convscope.client.attention import AttentionUpload
from convscope.client.bulk import OnProgress
from convscope.client.caller import Caller
from convscope.client.collection_info import CollectionImage, CollectionIndex, CollectionInfo, Described
from convscope.client.collection_map import CollectionMap
from convscope.client.collection_parse import to_imported, to_indexed, to_map
from convscope.client.collection_plans import Named, Pages
from convscope.client.evaluation import AttentionEvaluation, Evaluation
from convscope.client.evaluation_parse import to_attention_evaluation, to_evaluation
from convscope.client.evaluation_plans import Methods
from convscope.client.grey import Grey
from convscope.client.images import Picture
from convscope.client.jobs import CollectionJob
from convscope.client.neighbors import NeighborComparison, Neighbors
from convscope.client.patches import Patches
from convscope.client.plans import Plan
from convscope.client.prior import TrainedPrior
from convscope.client.prior_parse import to_trained
from convscope.client.synthesis import to_picture
from convscope.client.taken import Annotated, Imported, Uploaded
from convscope.client.uploading import Upload

T = TypeVar("T")


class Collection(Described):
    """A collection of images that a cluster keeps. Client gives it; it stays usable as long as the client is open.

    Its properties tell how it stood when the server was last asked; refresh() asks again. Every method raises NotFound
    where the collection has been deleted.
    """

    def __init__(self, caller: Caller, info: CollectionInfo) -> None:
        super().__init__(info)
        self._caller = caller

    def refresh(self, *, timeout: float | None = None) -> Self:
        """Ask how it stands now. Gives itself."""
        self.info = self._caller.run(collection_plans.get_collection(self.name), timeout)
        return self

    def delete(self, *, timeout: float | None = None) -> None:
        """Delete it with its images and indexes. Raises FailedPrecondition while a job works on it."""
        self._caller.run(collection_plans.delete_collection(self.name), timeout)

    def upload(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Uploaded:
        """Add pictures over one stream; files are read one by one, as they are sent.

        pictures: one or several, of what Picture can be but Preprocessed. The path of a folder stands for the JPEG, PNG
        and WebP files in it, by their names. A file goes as it is, under its name; what is no file yet goes as PNG,
        under a name that is made up. A generator is taken from as its pictures are sent. on_progress: called with how
        many files have gone out, and how many there are; of a generator 0. timeout: seconds for the whole stream; None:
        no limit.

        Identical images are kept once. A file that is no picture, or is larger than 64 MiB, is told in what this gives
        and harms no other. Raises InvalidArgument, which names the file, for one that cannot be read here, and
        Unavailable where the connection is lost: what was taken stays, and to upload all again does no harm.
        """
        upload = Upload(self.name, pictures)
        return self._caller.send(upload, on_progress, timeout)

    def images(self, *, page_size: int | None = None, timeout: float | None = None) -> Iterator[CollectionImage]:
        """All images in the order in which they came, asked for page by page as they are taken.

        page_size: images for each call, 1 to 1000. timeout: seconds for each call.
        """
        return self._pages(collection_plans.ImagePages(self.name, page_size), timeout)

    def image(self, number: int, *, timeout: float | None = None) -> PillowImage.Image:
        """An image, upright, RGB. Raises InvalidArgument for a number that none has."""
        data = self._caller.run(collection_plans.get_image(self.name, number), timeout)
        return to_picture(data, f"the image {number}")

    def import_images(
        self, url: str, *, priority: int | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> CollectionJob[Imported]:
        """Begin to add the images under a URL that workers read; the job goes on by itself.

        url: a folder or a zip file, as fsspec writes it: file:///data/photos, s3://bucket/photos,
        file:///data/photos.zip. priority: 0 to 9; higher goes first. request_id: a call with the same one gives the
        same job; None: a new job. Raises PermissionDenied for a URL outside those that the cluster allows,
        FailedPrecondition while another job works on the collection.
        """
        plan = collection_plans.import_images(self.name, url, priority=priority, request_id=request_id)
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_imported)

    def import_shapes(
        self,
        task: str,
        count: int,
        *,
        seed: int | None = None,
        priority: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> CollectionJob[Imported]:
        """Begin to add pictures of the small world of shapes, which workers make, each with annotations: what is to be
        said of it, and a mask of the pixels on which that depends; the job goes on by itself.

        task: what is asked of each: classify, its largest thing; caption, each thing of its caption; vqa, a question.
        count: 1 to 10000. seed: of all that is random; the networks that ship were trained on that of 9. The others are
        those of import_images.
        """
        plan = collection_plans.import_shapes(
            self.name, task, count, seed=seed, priority=priority, request_id=request_id
        )
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_imported)

    def annotate(
        self,
        annotations: Annotation | Iterable[Annotation],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Annotated:
        """Add what is known about images over one stream: what is asked of each, and where the answer is to be seen.

        annotations: one or several; of what is no generator all is read, and checked, before anything is sent.
        on_progress: called with how many have gone out, and how many there are; of a generator 0. timeout: seconds for
        the whole stream; None: no limit.

        One that is there already, all the same, is kept once. What the server cannot take, such as one of an image that
        the collection does not have, is told in what this gives and harms no other. Raises InvalidArgument, which names
        the annotation by its place (annotations[3].target), and Unavailable where the connection is lost: what was
        taken stays, and to send all again does no harm.
        """
        return self._caller.send(AnnotationUpload(self.name, annotations), on_progress, timeout)

    def upload_attention(
        self,
        maps: str | Path | Mapping[str, Grey],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Annotated:
        """Add where people looked, maps of annotations that are there, over one stream.

        maps: a folder of PNG files that are named as VQA-HAT names them, {annotation}_{annotator}.png, or
        {annotation}.png of an only one; or pictures by such names, float [H, W] of 0 to 1 too, bright where the person
        looked, of any size that covers the whole image. The others, and errors, are those of annotate(); a folder's
        files are read as they are sent.
        """
        return self._caller.send(AttentionUpload(self.name, maps), on_progress, timeout)

    def annotations(self, *, page_size: int | None = None, timeout: float | None = None) -> Iterator[AnnotationInfo]:
        """All annotations in the order in which they came, asked for page by page as they are taken.

        page_size: annotations for each call, 1 to 1000. timeout: seconds for each call.
        """
        return self._pages(annotation_plans.AnnotationPages(self.name, page_size), timeout)

    def annotation(self, id: str, *, timeout: float | None = None) -> AnnotationFiles:
        """An annotation with its mask and its attention maps. Raises NotFound for an id that none has."""
        return self._caller.run(annotation_plans.get_annotation(self.name, id), timeout)

    def download_attention(self, folder: str | Path, *, timeout: float | None = None) -> list[Path]:
        """Write all attention maps as they came into a folder, which is made for the first, as VQA-HAT names them:
        {id}_{annotator}.png. Gives their paths. timeout: seconds for each of several calls. Raises OSError as well."""
        return [
            path
            for info in self.annotations(timeout=timeout)
            if info.attention_map_count
            for path in self.annotation(info.id, timeout=timeout).save_attention(folder)
        ]

    def index(
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
    ) -> CollectionJob[CollectionIndex]:
        """Begin to run all images through a model once; the job goes on by itself.

        Classes, feature vectors and the strongest activations are kept. Where there is such an index already, only new
        images are run. layers: those whose activations are kept, for find_patches(), at most 64. embedding_layer: the
        layer of the feature vectors, the mean over its places where it has a grid; None: what the classifier is given.
        patches_per_channel: how many activations are kept for each channel, 1 to 256; None: 32. neurons: also keep the
        images that each neuron, a channel at one place, answers most to. The others are those of import_images. Raises
        FailedPrecondition for a collection without images, and while another job works on it.
        """
        plan = collection_plans.index(
            self.name, model=model, layers=layers, embedding_layer=embedding_layer,
            patches_per_channel=patches_per_channel, neurons=neurons, priority=priority, request_id=request_id,
        )  # fmt: skip
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_indexed)

    def project(
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
    ) -> CollectionJob[CollectionMap]:
        """Begin to lay the images of an index out on a map, similar ones near each other; the job goes on by itself.

        index: whose feature vectors are laid out; None: the newest. method: tsne, or pca, the two main axes. Of tsne:
        perplexity: how many neighbours count, 1 to a third of the images less one; metric: euclidean or cosine; onto: a
        map of this index, or the job that made it, by its name too: its points keep their places, and images that came
        since are placed among them. seed: of all that is random. The others are those of import_images. None leaves the
        server's default. Raises FailedPrecondition for a collection without an index.
        """
        plan = collection_plans.project(
            self.name, index=index, method=method, perplexity=perplexity, metric=metric, seed=seed, onto=onto,
            priority=priority, request_id=request_id,
        )  # fmt: skip
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_map)

    def evaluate_methods(
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
    ) -> CollectionJob[Evaluation]:
        """Begin to measure how good explanations by methods are; the job goes on by itself.

        Examples are the annotations; of a collection without any its images, each with what the model itself says of
        it. Beside the methods a map drawn at random is measured.

        methods: names, or Variants without a target, 1 to 16, each different; not segment. metrics: pointing_game,
        box_overlap and energy_inside, which need masks, insertion, deletion, occlusion_correlation, infidelity,
        max_sensitivity, randomization, attention_correlation; none: all for which the collection has what they need.
        limit: only the first examples, at least 2; None: all. seed: of all that is random. tolerance: of the pointing
        game, pixels of the model's input by which the mask may be missed. curve_steps: of insertion and deletion, 1 to
        1000. samples: of infidelity and max_sensitivity, changes of the picture, 1 to 1000. noise: of infidelity, the
        standard deviation of the change; radius: of max_sensitivity, the largest change of a pixel; both in units of
        the preprocessed picture. stages: of randomization, networks on the way to the one without any trained weight,
        1 to 100. The others are those of import_images. None leaves the server's default.
        """
        plan = evaluation_plans.evaluate_methods(
            self.name, model=model, methods=methods, metrics=metrics, limit=limit, seed=seed, tolerance=tolerance,
            curve_steps=curve_steps, samples=samples, noise=noise, radius=radius, stages=stages, priority=priority,
            request_id=request_id,
        )  # fmt: skip
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_evaluation)

    def evaluate_attention(
        self,
        *,
        model: str,
        methods: Methods,
        limit: int | None = None,
        seed: int | None = None,
        priority: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> CollectionJob[AttentionEvaluation]:
        """Begin to compare explanations by methods with where people looked, by rank correlation; the job goes on by
        itself.

        Where the collection has no attention maps its masks, the truth, stand in. Beside the methods a map drawn at
        random is compared. The arguments are those of evaluate_methods. Raises FailedPrecondition for a collection
        that has neither.
        """
        plan = evaluation_plans.evaluate_attention(
            self.name, model=model, methods=methods, limit=limit, seed=seed, priority=priority, request_id=request_id
        )
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_attention_evaluation)

    def train_prior(
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
    ) -> CollectionJob[TrainedPrior]:
        """Begin to learn from the images what pictures look like to a layer: a generator of pictures from the layer's
        output, the code, and a denoiser of codes, for visualize_class(prior=...); the job goes on by itself.

        It needs 64 images at least; others may be added meanwhile. The prior is kept until its job is deleted.

        layer: by its dotted name; its output is the code. preset: how large the prior is, and how long it is trained:
        tiny and small, a quarter of an hour on a core for pictures of 64 and of 224 pixels; standard, a day on a GPU.
        steps: of the optimizers, from 1. batch: pictures of a step, 2 to 4096. rate: of the optimizers, over 0 to 1.
        pixel_weight: of the squared distance of pictures, feature_weight: of that of codes, adversarial_weight: of what
        a discriminator tells made pictures from real ones by; each from 0. noise: that the denoiser learns to take off
        codes, at most, in standard deviations of real ones, over 0 to 100. generator_noise: the same of the codes that
        pictures are made of, from 0. seed: of all that is random, 0 to below 2^31. preview_seconds: between previews;
        0: none. The others are those of import_images. None leaves the server's default.
        """
        plan = prior_plans.train_prior(
            self, model=model, layer=layer, preset=preset, steps=steps, batch=batch, rate=rate,
            pixel_weight=pixel_weight, feature_weight=feature_weight, adversarial_weight=adversarial_weight,
            noise=noise, generator_noise=generator_noise, seed=seed, priority=priority,
            preview_seconds=preview_seconds, request_id=request_id,
        )  # fmt: skip
        return CollectionJob(self._caller, self._caller.run(plan, timeout), to_trained)

    def find_patches(
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
        """The patches of the images to which a channel answers most.

        layer: one that the index has. place: (row, column) in the layer's grid of a neuron, for an index that was made
        with neurons; None: the channel, wherever it answers. k: how many, at most what the index keeps for a channel;
        None: 9, or fewer where that is fewer. model: None where all indexes of the collection are of one model.
        several_per_image: also several patches of one image, not only its strongest. crops: also fetch the patches as
        pictures. Raises InvalidArgument (field `model`) where a model must be named, FailedPrecondition where no index
        has the layer, or where other weights made it.
        """
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
        return self._ask(plan, model, timeout)

    def find_neighbors(
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
        """The images that are nearest to a picture, or to an image of the collection, which is not its own neighbour.

        image: a picture, or the number of an image. k: how many, 1 to 1000. space: features, by feature vectors;
        pixels, of pictures scaled to 32 x 32, by l2 only. metric: l2; cosine, 1 less the cosine of the angle;
        inner_product, the largest first. embedding_layer: the layer of the feature vectors, one that an index has;
        None: that of the newest index. thumbnails: also fetch a small picture of each. model and errors are those of
        find_patches.
        """
        plan = search_plans.find_neighbors(
            self.name, search_plans.to_query(image), model=model, k=k, space=space, metric=metric,
            embedding_layer=embedding_layer, thumbnails=thumbnails,
        )  # fmt: skip
        return self._ask(plan, model, timeout)

    def compare_neighbors(
        self,
        image: Picture | int,
        *,
        k: int = 5,
        metric: str = "l2",
        embedding_layer: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
    ) -> NeighborComparison:
        """What is near to a picture for a network, beside what is near pixel by pixel.

        metric: of feature vectors; pixels are compared by l2. timeout: seconds for each of several calls. The
        others are those of find_neighbors.
        """
        query, features, pixels = search_plans.compare_neighbors(
            self.name, image, model=model, k=k, metric=metric, embedding_layer=embedding_layer
        )
        near = self._ask(features, model, timeout)
        beside = self._ask(pixels, model, timeout)
        if isinstance(query, int):
            return NeighborComparison(self.image(query, timeout=timeout), near, beside)
        return NeighborComparison(search_plans.to_query_picture(query), near, beside)

    def _ask(self, plan: Plan[T], model: str | None, timeout: float | None) -> T:
        if model is None:
            plan = collection_plans.of_only_model(plan, self.refresh(timeout=timeout).info)
        return self._caller.run(plan, timeout)

    def _pages(self, pages: Pages[T], timeout: float | None) -> Iterator[T]:
        while not pages.over:
            yield from self._caller.run(pages.plan(), timeout)
