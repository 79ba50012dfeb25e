"""A collection through `convscope up`: real photographs, a real network, and the lecture's first part on them."""

import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import redis
import torch
from PIL import Image
from sklearn.datasets import load_digits

from convscope.client import (
    Client,
    ClientError,
    Collection,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from convscope.client.cli.demo import photographs
from convscope.client.cli.demo_collection import make_collection, write_crops
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.services.common.collections.records import CollectionRecords
from tests.e2e.local_cluster import MODEL, Addresses

CONVSCOPE = Path(sys.executable).with_name("convscope")
LAYERS = ("blocks.2", "blocks.10")
EACH, NEAREST = 40, 5
LONG = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crops")


@pytest.fixture(scope="module")
def crops(cluster: Addresses, folder: Path) -> Iterator[Collection]:
    """Forty crops of each photograph, indexed."""
    with Client.connect(cluster.server, timeout=60) as client:
        yield make_collection(client, photographs(), folder, model=MODEL, layers=LAYERS, seconds=LONG, each=EACH)


@pytest.fixture(scope="module")
def model() -> Model:
    return Catalogue.read().load(MODEL)


def photograph(name: str) -> str:
    """Which one a crop is of."""
    return name.rpartition("-")[0]


def test_every_crop_is_there(crops: Collection, folder: Path) -> None:
    images = list(crops.images(page_size=50))
    assert [image.file_name for image in images] == sorted((path.name for path in folder.iterdir()), key=_order)
    assert crops.image_count == len(images) == EACH * len(photographs())
    (index,) = crops.indexes
    assert (index.model, index.layers, index.image_count) == (MODEL, LAYERS, len(images))


def _order(name: str) -> tuple[int, str]:
    return [path.stem for path in photographs()].index(photograph(name)), name


def test_what_is_alike_for_the_network_is_of_the_same_photograph(crops: Collection) -> None:
    shares = {"features": 0.0, "pixels": 0.0}
    for number in range(0, crops.image_count, 7):
        own = photographs()[number // EACH].stem
        for space in shares:
            found = crops.find_neighbors(number, k=NEAREST, space=space, thumbnails=False)
            assert number not in [neighbor.number for neighbor in found]
            shares[space] += sum(photograph(one.file_name) == own for one in found) / NEAREST
    asked = len(range(0, crops.image_count, 7))
    assert shares["features"] / asked > 0.95
    assert shares["pixels"] / asked < shares["features"] / asked - 0.1


def test_neighbours_are_those_of_numpy(crops: Collection, cluster: Addresses, folder: Path) -> None:
    with Client.connect(cluster.server) as client:
        files = [folder / image.file_name for image in crops.images()]
        vectors = client.embed(files, model=MODEL).astype(np.float64)
        query = client.embed(photographs()[1], model=MODEL)[0].astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {
        "l2": np.linalg.norm(vectors - query, axis=1),
        "cosine": 1 - unit @ (query / np.linalg.norm(query)),
        "inner_product": -(vectors @ query),
    }
    for metric, distances in expected.items():
        found = crops.find_neighbors(photographs()[1], k=8, metric=metric)
        order = distances.argsort(kind="stable")[:8]
        assert [one.number for one in found] == order.tolist()
        sign = -1 if metric == "inner_product" else 1
        assert np.allclose([one.distance for one in found], sign * distances[order], rtol=1e-3, atol=1e-4)
        assert all(one.thumbnail is not None for one in found)


@pytest.mark.parametrize("layer", LAYERS)
def test_patches_are_those_of_a_slow_scan(crops: Collection, model: Model, folder: Path, layer: str) -> None:
    names = [image.file_name for image in crops.images()]
    pixels = torch.stack([model.preprocessing.crop(Image.open(folder / name).convert("RGB"))[0] for name in names])
    maps: list[torch.Tensor] = []
    handle = model.module.get_submodule(layer).register_forward_hook(lambda _, __, output: maps.append(output.clone()))
    with torch.no_grad():
        for image in pixels:
            model.module(model.preprocessing.normalize(image[None]))
    handle.remove()
    stacked = torch.cat(maps)
    for channel in (0, 7, stacked.shape[1] - 1):
        best, places = stacked[:, channel].flatten(1).max(1)
        order = best.argsort(descending=True)[:6]
        found = crops.find_patches(layer, channel, k=6)
        assert [one.number for one in found] == order.tolist()
        assert np.allclose([one.activation for one in found], best[order].numpy(), rtol=1e-3)
        assert [one.place for one in found] == [divmod(int(places[one]), stacked.shape[3]) for one in order]
        assert found.exact
        for one in found:
            left, top, right, bottom = map(int, one.input_region)
            seen = pixels[one.number][:, top:bottom, left:right].permute(1, 2, 0).numpy()
            assert np.array_equal(np.asarray(one.crop), seen), "the crop is what the place sees"
        several = crops.find_patches(layer, channel, k=20, several_per_image=True)
        every = stacked[:, channel].flatten().sort(descending=True).values[:20]
        assert np.allclose([one.activation for one in several], every.numpy(), rtol=1e-3)


def test_a_neurons_patches_are_those_of_its_place(cluster: Addresses, crops: Collection, folder: Path) -> None:
    with Client.connect(cluster.server, timeout=60) as client:
        few = client.create_collection("few")
        few.upload(sorted(folder.iterdir())[::8])
        few.index(model=MODEL, layers="blocks.14", neurons=True, patches_per_channel=4).result(timeout=LONG)
        assert few.refresh().indexes[0].neurons
        maps = [
            client.activations(few.image(number), model=MODEL, layers="blocks.14")[0].values
            for number in range(few.image_count)
        ]
        answers = np.stack(maps)[:, 5, 2, 3]
        found = few.find_patches("blocks.14", 5, place=(2, 3), k=4)
        assert [one.place for one in found] == [(2, 3)] * 4
        assert [one.number for one in found] == (-answers).argsort(kind="stable")[:4].tolist()
        for place, field in (((9, 0), "row"), ((0, 9), "column"), ((-1, 0), "row")):
            with pytest.raises(InvalidArgument) as caught:
                few.find_patches("blocks.14", 5, place=place)
            assert caught.value.field == field
        with pytest.raises(FailedPrecondition) as refused:
            crops.find_patches("blocks.2", 0, place=(0, 0))
        assert (refused.value.reason, refused.value.field) == ("NO_INDEX", "row")
        few.delete()


def test_a_patch_lies_where_it_says_in_the_original(crops: Collection, folder: Path, model: Model) -> None:
    for one in crops.find_patches("blocks.2", 3):
        picture = Image.open(folder / one.file_name).convert("RGB")
        there = picture.resize((32, 32), Image.Resampling.BILINEAR, box=one.region)
        assert one.crop is not None
        seen = one.crop.resize((32, 32), Image.Resampling.BILINEAR)
        difference = np.abs(np.asarray(there, float) - np.asarray(seen, float)).mean()
        assert difference < 12, "levels of 255, on average, but for the resampling"


def test_a_map_keeps_what_is_alike_together_and_takes_what_comes_later(crops: Collection, tmp_path: Path) -> None:
    made = crops.project().result(timeout=LONG)
    assert made.coordinates.shape == (crops.image_count, 2)
    assert purity(made.coordinates) > 0.9
    assert made.picture.width == made.picture.height >= 14 * 48
    assert b"coffee-00.jpg" in made.page
    assert b"http" not in made.page.replace(b"http-equiv", b""), "it asks nobody for anything"
    again = crops.project().result(timeout=LONG)
    assert np.array_equal(again.coordinates, made.coordinates)
    late = write_crops(photographs(), tmp_path, each=EACH + 3)
    new = [path for path in late if int(path.stem.rpartition("-")[2]) >= EACH]
    assert crops.upload(new).added == len(new)
    crops.index(model=MODEL, layers=LAYERS).result(timeout=LONG)
    placed = crops.project(onto=made).result(timeout=LONG)
    before = crops.image_count - len(new) if crops.refresh() else 0
    assert np.array_equal(placed.coordinates[:before], made.coordinates)
    for coordinates, path in zip(placed.coordinates[before:], new, strict=True):
        nearest = np.linalg.norm(made.coordinates - coordinates, axis=1).argsort()[:5]
        same = [number // EACH == photographs().index(_source(path)) for number in nearest]
        assert sum(same) >= 3, path.name


def _source(crop: Path) -> Path:
    return next(path for path in photographs() if path.stem == photograph(crop.stem + ".jpg"))


def purity(coordinates: np.ndarray) -> float:
    """Of the five nearest points, how many are of the same photograph."""
    distances = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=2)
    nearest = distances.argsort(axis=1)[:, 1:6]
    own = np.arange(len(coordinates)) // EACH
    return float((own[nearest] == own[:, None]).mean())


def test_digits_which_it_was_never_taught_are_still_nearest_to_their_own(cluster: Addresses) -> None:
    digits = load_digits()
    pictures = [
        Image.fromarray((image * 15.9).astype(np.uint8)).resize((64, 64), Image.Resampling.NEAREST).convert("RGB")
        for image in digits.images[:100]
    ]
    with Client.connect(cluster.server, timeout=60) as client:
        collection = client.create_collection("digits")
        assert collection.upload(pictures).added == 100
        collection.index(model=MODEL).result(timeout=LONG)
        hits = [
            digits.target[one.number] == digits.target[number]
            for number in range(100)
            for one in collection.find_neighbors(number, k=3, thumbnails=False)
        ]
        assert np.mean(hits) > 0.35, "ten classes: by chance it would be a tenth"
        made = collection.project(method="pca").result(timeout=LONG)
        assert made.coordinates.shape == (100, 2)
        collection.delete()
        with pytest.raises(NotFound):
            collection.refresh()


def test_bad_questions_are_named(crops: Collection) -> None:
    cases: list[tuple[str, dict[str, object], type[ClientError], str, str]] = [
        ("find_patches", {"layer": "blocks.3", "channel": 0}, FailedPrecondition, "NO_INDEX", "layer"),
        ("find_patches", {"layer": "blocks.99", "channel": 0}, InvalidArgument, "UNKNOWN_LAYER", "layer"),
        ("find_patches", {"layer": "blocks.2", "channel": 24}, InvalidArgument, "OUT_OF_RANGE", "channel"),
        ("find_patches", {"layer": "blocks.2", "channel": 0, "k": 33}, InvalidArgument, "OUT_OF_RANGE", "k"),
        ("find_neighbors", {"image": 10_000}, InvalidArgument, "OUT_OF_RANGE", "number"),
        ("find_neighbors", {"image": 0, "k": 0}, InvalidArgument, "OUT_OF_RANGE", "k"),
        (
            "find_neighbors",
            {"image": 0, "space": "pixels", "metric": "cosine"},
            InvalidArgument,
            "CONTRADICTION",
            "metric",
        ),
        (
            "find_neighbors",
            {"image": 0, "embedding_layer": "blocks.2"},
            FailedPrecondition,
            "NO_INDEX",
            "embedding_layer",
        ),
        ("find_neighbors", {"image": b"no picture"}, InvalidArgument, "IMAGE_UNDECODABLE", "image.encoded"),
    ]
    for call, arguments, error, reason, field in cases:
        with pytest.raises(error) as caught:
            getattr(crops, call)(model=MODEL, **arguments)
        assert (caught.value.reason, caught.value.field) == (reason, field), arguments


def test_what_has_no_index_yet_says_so(cluster: Addresses, folder: Path) -> None:
    with Client.connect(cluster.server) as client:
        empty = client.create_collection("empty")
        with pytest.raises(FailedPrecondition) as caught:
            empty.find_patches("blocks.2", 0, model=MODEL)
        assert caught.value.reason == "COLLECTION_EMPTY"
        empty.upload(sorted(folder.iterdir())[:3])
        with pytest.raises(FailedPrecondition) as caught:
            empty.find_neighbors(0, model=MODEL)
        assert caught.value.reason == "NO_INDEX"
        empty.upload(sorted(folder.iterdir())[3:120])
        job = empty.index(model=MODEL)
        for ask in (lambda: empty.find_neighbors(0, model=MODEL), empty.delete, lambda: empty.index(model=MODEL)):
            with pytest.raises(FailedPrecondition) as caught:
                ask()
            assert caught.value.reason == "COLLECTION_BUSY"
        job.result(timeout=LONG)
        assert len(empty.find_neighbors(0)) == 5
        empty.delete()


def test_an_index_of_other_weights_is_refused(crops: Collection, cluster: Addresses) -> None:
    with redis.Redis.from_url(cluster.store) as store:
        records = CollectionRecords(store)
        id = crops.name.removeprefix("collections/")
        known = records.find(id)
        assert known is not None
        (record,) = known.indexes
        records.put_index(id, type(record)(**{**vars(record), "weights_digest": "0" * 64}))
        try:
            with pytest.raises(FailedPrecondition) as caught:
                crops.find_neighbors(0)
            assert caught.value.reason == "INDEX_STALE"
        finally:
            records.put_index(id, record)
    assert len(crops.find_neighbors(0)) == 5


def test_the_command_line_does_it_all(cluster: Addresses, folder: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        command = [str(CONVSCOPE), "collection", *arguments, "--server", cluster.server]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LONG, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    name = next(word for word in run("create", "by hand").split() if word.startswith("collections/"))
    files = [str(path) for path in sorted(folder.iterdir())[::10]]
    run("upload", name, *files)
    run("index", name, "-m", MODEL, "--layer", "blocks.2")
    run("patches", name, "--layer", "blocks.2", "--channel", "3", "-o", "patches.png")
    run("neighbors", name, str(photographs()[0]), "-o", "neighbors.png")
    run("map", name, "-o", "map")
    assert name in run("list")
    run("delete", name)
    for picture in ("patches.png", "neighbors.png"):
        assert np.asarray(Image.open(BytesIO((tmp_path / picture).read_bytes())).convert("L")).std() > 10
    assert {path.suffix for path in (tmp_path / "map").iterdir()} == {".png", ".html", ".npy"}
