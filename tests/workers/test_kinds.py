"""Each kind of work runs to its end on a real worker; what it leaves can be downloaded and read."""

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from numpy.typing import NDArray
from PIL import Image, ImageChops

from convscope.services.common.jobs.job import State
from convscope.v1.image_pb2 import Image as PictureMessage
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    CreateAdversarialResponse,
    DeepDreamResponse,
    InvertFeaturesRequest,
    InvertFeaturesResponse,
    SynthesisParameters,
    SynthesizedImage,
    VisualizeChannelResponse,
    VisualizeClassRequest,
    VisualizeClassResponse,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from convscope.v1.tensor_pb2 import DataType, Tensor
from convscope.workers.drawings import animation, preview
from tests.services.pictures import noise, to_file
from tests.workers.asking import IMAGE, PHOTOGRAPH, attack_of, channel_of, class_of, dream_of, inversion_of
from tests.workers.drawn import last_frame
from tests.workers.jobs_cluster import SIZE, JobsCluster

ALWAYS = {"values.npy", "history.json", "way.gif"}


class Left:
    """What a job has left, downloaded."""

    def __init__(self, cluster: JobsCluster, request: Message) -> None:
        self.id = cluster.hand_in(request)
        job = cluster.wait_for_end(self.id)
        assert job.state is State.SUCCEEDED, job.failure
        assert job.progress is not None
        self.progress = job.progress
        self.files = {file.name: cluster.download(f"jobs/{self.id}/artifacts/{file.name}") for file in job.files}
        self.history: dict[str, Any] = json.loads(self.files["history.json"])

    def picture(self, image: SynthesizedImage) -> Image.Image:
        return self.open(image.artifact.removeprefix(f"jobs/{self.id}/artifacts/"))

    def open(self, name: str) -> Image.Image:
        picture = Image.open(BytesIO(self.files[name]))
        picture.load()
        return picture

    @property
    def values(self) -> NDArray[np.float32]:
        values: NDArray[np.float32] = np.load(BytesIO(self.files["values.npy"]), allow_pickle=False)
        return values

    def assert_whole(
        self, images: Sequence[SynthesizedImage], *more: str, size: tuple[int, int] = (SIZE, SIZE)
    ) -> None:
        """All files are there and say the same."""
        assert set(self.files) == {f"image-{place}.png" for place in range(len(images))} | ALWAYS | set(more)
        assert self.values.dtype == np.float32
        assert self.values.shape == (len(images), size[1], size[0], 3)
        for image, values in zip(images, self.values, strict=True):
            assert np.array_equal(np.asarray(self.picture(image)), (255 * values).round().astype(np.uint8))
        steps = self.progress.step
        assert self.history["step"] == list(range(1, steps + 1))
        assert [len(scores) for scores in self.history["scores"]] == [len(self.history["scores"][0])] * steps
        way = self.open("way.gif")
        assert way.is_animated == (steps > 1)  # type: ignore[attr-defined]
        assert way.n_frames <= 24  # type: ignore[attr-defined]
        finished = animation([preview([self.picture(image) for image in images])])
        difference = ImageChops.difference(last_frame(self.files["way.gif"]), last_frame(finished))
        assert not np.asarray(difference).any(), "the last frame is the finished picture"


@pytest.mark.parametrize("recipe", ["", "simonyan2013"])
def test_classes(recipe: str, cluster: JobsCluster) -> None:
    left = Left(cluster, class_of("small", recipe, steps=30, copies=2))
    response = cluster.response(left.id, VisualizeClassResponse())
    left.assert_whole(response.images)
    assert response.recipe == (recipe or "olah2017")
    found = [(image.target.index, image.label) for image in response.images]
    assert found == [(1, "dog"), (1, "dog"), (3, "hen"), (3, "hen")]
    assert all(0 < image.probability < 1 for image in response.images)
    assert [image.score for image in response.images] == left.history["scores"][-1]
    assert (left.progress.step, left.progress.total) == (30, 30)


def test_a_class_from_a_picture(cluster: JobsCluster) -> None:
    start = noise(SIZE, SIZE, 3)
    request = VisualizeClassRequest(
        model="small",
        targets=[ClassReference(index=0)],
        recipe="simonyan2013",
        image=PictureMessage(encoded=to_file(start)),
        parameters=SynthesisParameters(steps=1, step_size=1e-6),
    )
    left = Left(cluster, request)
    assert np.array_equal(np.asarray(left.open("image-0.png")), start), "one small step from it"


def test_channels(cluster: JobsCluster) -> None:
    left = Left(cluster, channel_of("small", steps=10))
    response = cluster.response(left.id, VisualizeChannelResponse())
    left.assert_whole(response.images)
    assert response.recipe == "olah2017"
    assert [image.unit for image in response.images] == [
        Unit(layer="features.2", channel=3),
        Unit(layer="features.0", channel=1, row=2, column=5),
    ]


def test_a_dream(cluster: JobsCluster) -> None:
    left = Left(cluster, dream_of("small", steps=5, layer="conv1"))
    response = cluster.response(left.id, DeepDreamResponse())
    left.assert_whole(response.images, size=(48, 40))
    assert response.layer.startswith("features."), "the network's own layer"
    assert left.progress.total == 10


def test_an_inversion_of_a_photograph(cluster: JobsCluster) -> None:
    left = Left(cluster, inversion_of("small", ("features.0", "features.3"), steps=40))
    response = cluster.response(left.id, InvertFeaturesResponse())
    left.assert_whole(response.images, "original.png")
    assert response.recipe == "mahendran2015"
    first, last = response.images
    assert (first.layer, last.layer) == ("features.0", "features.3")
    assert first.distance < last.distance
    assert first.similarity > 0.5
    assert left.open("original.png").size == (SIZE, SIZE)


def test_an_inversion_of_all_layers(cluster: JobsCluster) -> None:
    request = InvertFeaturesRequest(
        model="small", image=IMAGE, all_layers=True, parameters=SynthesisParameters(steps=3)
    )
    left = Left(cluster, request)
    response = cluster.response(left.id, InvertFeaturesResponse())
    left.assert_whole(response.images, "original.png")
    layers = [image.layer for image in response.images]
    assert (layers[0], layers[-1]) == ("features.0", "classifier")


def test_an_inversion_of_features(cluster: JobsCluster) -> None:
    features = np.random.default_rng(0).normal(size=(8, 16, 16)).astype("<f4")
    tensor = Tensor(shape=features.shape, data_type=DataType.DATA_TYPE_FLOAT32, data=features.tobytes())
    request = InvertFeaturesRequest(
        model="small", features=tensor, layers=["features.2"], parameters=SynthesisParameters(steps=3)
    )
    left = Left(cluster, request)
    response = cluster.response(left.id, InvertFeaturesResponse())
    left.assert_whole(response.images)
    (image,) = response.images
    assert image.distance > 0
    assert not image.HasField("similarity"), "there is no photograph to be like"


def test_an_attack(cluster: JobsCluster) -> None:
    left = Left(cluster, attack_of("small", steps=12, restarts=2))
    response = cluster.response(left.id, CreateAdversarialResponse())
    left.assert_whole(response.images, "original.png", "perturbation.png", size=(48, 40))
    assert response.perturbation == f"jobs/{left.id}/artifacts/perturbation.png"
    original, made = (np.asarray(left.open(name), dtype=int) for name in ("original.png", "image-0.png"))
    assert np.array_equal(original, PHOTOGRAPH)
    change = made - original
    assert response.linf == pytest.approx(np.abs(change).max() / 255)
    assert response.linf <= 8 / 255
    assert response.l2 == pytest.approx(np.linalg.norm(change / 255))
    assert response.changed == pytest.approx(change.any(axis=2).mean())
    shown = np.asarray(left.open("perturbation.png"), dtype=int)
    assert np.abs(shown - 127.5 - response.magnification * change).max() <= 1
    assert response.steps == left.progress.step
    assert sorted(one.index for one in response.before) == list(range(5))
    assert response.fooled == (response.after[0].index != response.before[0].index)
    (image,) = response.images
    assert image.label == response.after[0].label
    assert image.score == image.probability == pytest.approx(response.after[0].probability)


def test_an_attack_that_ends_early(cluster: JobsCluster) -> None:
    left = Left(cluster, attack_of("small", attack="deepfool", steps=500))
    response = cluster.response(left.id, CreateAdversarialResponse())
    assert response.fooled
    assert 1 < left.progress.step == response.steps < left.progress.total == 500
    assert len(left.history["step"]) == response.steps
    left.assert_whole(response.images, "original.png", "perturbation.png", size=(48, 40))


def test_an_attack_of_noise_ends_early_too(cluster: JobsCluster) -> None:
    request = CreateAdversarialRequest(
        model="small", target=ClassReference(label="cat"), step_size=0.1, steps=1000, seed=2
    )
    left = Left(cluster, request)
    response = cluster.response(left.id, CreateAdversarialResponse())
    assert response.fooled
    assert response.after[0].label == "cat"
    assert left.progress.step < left.progress.total
    left.assert_whole(response.images, "original.png", "perturbation.png")
