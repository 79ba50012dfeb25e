"""What jobs of every kind have made: in numbers, in words, on sheets."""

import pickle
from collections.abc import Iterator
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from convscope.client import (
    Adversarial,
    AsyncClient,
    Client,
    DatasetExamples,
    FailedPrecondition,
    InvalidArgument,
    MadePicture,
    NotFound,
    ServerFault,
    Synthesis,
    Unit,
)
from convscope.client.sheet import in_rows, sheet_of
from convscope.engine.imaging.contact_sheet import CAPTION_HEIGHT, MARGIN, PAPER, Tile
from tests.clients.job_stand_in import ALL, HEIGHT, WIDTH, JobServer, JobStandIn, serving_jobs
from tests.clients.test_jobs import MODEL

MADE: dict[str, tuple[MadePicture, str]] = {
    "a class": (
        MadePicture("image-0.png", target=281, label="tabby", score=31.2, probability=0.98),
        "tabby 31.20 (probability 0.98)",
    ),
    "a channel": (MadePicture("image-0.png", unit=Unit("blocks.3", 5), score=12.3), "blocks.3 channel 5 12.3"),
    "a neuron": (
        MadePicture("image-0.png", unit=Unit("blocks.3", 5, (0, 4)), score=0.00123),
        "blocks.3 channel 5 at 0,4 0.00123",
    ),
    "a photograph's features": (
        MadePicture("image-0.png", layer="blocks.3", distance=0.12, similarity=0.8),
        "blocks.3 distance 0.12 similarity 0.80",
    ),
    "features alone": (MadePicture("image-0.png", layer="blocks.3", distance=0.0012), "blocks.3 distance 0.0012"),
    "a dream": (MadePicture("image-0.png", score=3), "3.00"),
}


@pytest.fixture
def server() -> Iterator[JobServer]:
    """Its jobs are done as soon as they are there."""
    jobs = JobStandIn()
    jobs.work = jobs.run
    with serving_jobs(jobs) as server:
        yield server


@pytest.fixture
def jobs(server: JobServer) -> JobStandIn:
    return server.jobs


@pytest.fixture
def client(server: JobServer) -> Iterator[Client]:
    with Client.connect(server.address) as client:
        yield client


def attacked(client: Client, **how: Any) -> Adversarial:
    made = client.create_adversarial(b"a picture", model=MODEL, **how).result(20)
    assert isinstance(made, Adversarial)
    return made


def places_of(sheet: Image.Image, pictures: list[Image.Image]) -> list[tuple[int, int]]:
    """Row and column, in pixels, of each picture, which must be there whole, in its own size, and once."""
    pixels, found = np.asarray(sheet), []
    for picture in pictures:
        wanted = np.asarray(picture)
        height, width = wanted.shape[:2]
        corners = np.argwhere((pixels == wanted[0, 0]).all(axis=2))
        same = [(y, x) for y, x in corners if np.array_equal(pixels[y : y + height, x : x + width], wanted)]
        assert len(same) == 1
        found.append(same[0])
    return found


def rows_of(places: list[tuple[int, int]]) -> list[int]:
    """How many pictures each row has; they must follow one another row by row."""
    assert places == sorted(places)
    rows = [row for row, _ in places]
    return [rows.count(row) for row in sorted(set(rows))]


# In numbers and words.


@pytest.mark.parametrize("case", MADE)
def test_a_picture_says_what_it_is_for_and_how_near_it_came(case: str) -> None:
    made, words = MADE[case]
    assert str(made) == words


def test_a_class_has_its_probability_and_its_recipe(client: Client) -> None:
    made = client.visualize_class(model=MODEL, target=[281, "tiger cat"], recipe="tyka2016").result(20)
    assert type(made) is Synthesis
    assert (made.recipe, made.layer) == ("tyka2016", "")
    assert made.made[1] == MadePicture("image-1.png", "tiger cat", "tiger cat", 19.0, 0.98)
    assert (made.targets, made.labels, made.scores) == ((281, "tiger cat"), ("tabby", "tiger cat"), (20.0, 19.0))
    assert made.names == ("image-0.png", "image-1.png")


def test_a_channel_has_its_unit(client: Client) -> None:
    units = [Unit("layer3", 5), Unit("layer3", 5, (0, 0))]
    made = client.visualize_channel(model=MODEL, unit=units).result(20)
    assert [one.unit for one in made.made] == units
    assert (made.recipe, made.targets, made.labels, made.scores) == ("olah2017", (), ("", ""), (20.0, 19.0))
    assert str(made) == "layer3 channel 5 20, layer3 channel 5 at 0,0 19"
    assert len(made.images) == 2


def test_an_inversion_has_its_layers_and_what_the_model_saw(client: Client) -> None:
    made = client.invert_features(b"a picture", model=MODEL, all_layers=True).result(20)
    assert [one.layer for one in made.made] == list(ALL)
    assert (made.recipe, made.layer, made.made[0].distance, made.made[0].similarity) == ("mahendran2015", "", 0.12, 0.8)
    assert str(made).startswith("conv1 distance 0.12 similarity 0.80, layer1 distance 0.12 similarity 0.80, ")
    assert (made.original.size, made.original.mode) == ((WIDTH, HEIGHT), "RGB")
    again = pickle.loads(pickle.dumps(made))
    assert (again.made, again.original) == (made.made, made.original)


def test_an_inversion_of_features_has_no_original(client: Client, jobs: JobStandIn) -> None:
    features = np.zeros((128, 28, 28), np.float32)
    job = client.invert_features(features=features, model=MODEL, layer="layer2")
    made = job.result(20)
    assert (str(made), made.made[0].similarity) == ("layer2 distance 0.12", None)
    assert sorted(made.files) == ["history.json", "image-0.png", "values.npy", "way.gif"]
    with pytest.raises(NotFound, match=r"unknown artifact 'original\.png' of .*; known: image-0\.png"):
        _ = made.original
    with pytest.raises(NotFound, match=r"original\.png"):
        job.result(parts=["original"])


def test_an_attack_has_what_it_did_to_the_model(client: Client) -> None:
    made = attacked(client, target="flamingo")
    assert (made.fooled, made.linf, made.changed, made.steps, made.magnification) == (True, 8 / 255, 0.75, 12, 16.0)
    assert [one.label for one in made.before] == ["tabby", "flamingo"]
    assert (made.after[0].index, made.after[0].label, made.after[0].score) == (130, "flamingo", 13.0)
    assert (made.targets, made.labels, made.recipe) == (("flamingo",), ("flamingo",), "")
    assert made.image == made.images[0]
    assert {made.image.size, made.original.size, made.perturbation.size} == {(WIDTH, HEIGHT)}
    assert str(made) == "flamingo 0.93, was tabby 0.81; L-inf 0.031, L2 2.41, 12 steps"
    again = pickle.loads(pickle.dumps(made))
    assert (again.after, again.perturbation) == (made.after, made.perturbation)


def test_an_attack_that_fails_says_so(client: Client, jobs: JobStandIn) -> None:
    jobs.fooled = False
    assert str(attacked(client)) == "not fooled: tabby 0.81, was tabby 0.81; L-inf 0.031, L2 2.41, 12 steps"


async def test_the_asynchronous_client_gives_the_same(server: JobServer, client: Client) -> None:
    expected = attacked(client, target="flamingo")
    async with AsyncClient.connect(server.address) as other:
        found = await (await other.job(expected.job.name)).result(20)
        layers = await (await other.invert_features(b"a picture", model=MODEL, layer=["layer1", "layer2"])).result(20)
        channel = await (await other.visualize_channel(model=MODEL, unit=Unit("layer3", 5))).result(20)
        part = await (await other.job(expected.job.name)).result(20, parts="perturbation")
    assert isinstance(found, Adversarial)
    assert (str(found), found.files, found.after) == (str(expected), expected.files, expected.after)
    assert [one.layer for one in layers.made] == ["layer1", "layer2"]
    assert "original.png" in layers.files
    assert str(channel) == "layer3 channel 5 20"
    assert list(part.files) == ["perturbation.png"]


def test_sheets_are_there_where_they_were_asked_for(server: JobServer, client: Client) -> None:
    how: dict[str, Any] = {"model": MODEL, "target": [281, 282], "examples": DatasetExamples("photos", 3)}
    made = client.visualize_class(**how, chain_every=5).result(20)
    assert [one.example_numbers for one in made.made] == [(0, 1, 2), (10, 11, 12)]
    assert (made.chain.mode, made.chain.size) == ("RGB", (2 * WIDTH, 2 * HEIGHT))
    assert (made.examples.mode, made.examples.size) == ("RGB", (3 * WIDTH, 2 * HEIGHT))
    assert made.names == ("image-0.png", "image-1.png"), "a sheet is none of the pictures"
    again = pickle.loads(pickle.dumps(made))
    assert (again.made, again.examples) == (made.made, made.examples)
    unit = Unit("layer3", 5)
    channel = client.visualize_channel(model=MODEL, unit=unit, examples=DatasetExamples("photos")).result(20)
    assert channel.made[0].example_numbers == (0, 1, 2, 3)
    with pytest.raises(NotFound, match=r"unknown artifact 'chain\.png'"):
        _ = channel.chain
    part = client.job(made.job.name).result(parts=["examples"])
    assert list(part.files) == ["examples.png"]
    with pytest.raises(FailedPrecondition, match=r"chain\.png was not fetched"):
        _ = part.chain


# Their files.


def test_a_job_of_another_kind_has_neither_original_nor_perturbation(client: Client) -> None:
    job = client.visualize_class(model=MODEL, target=281)
    assert sorted(job.result(20).files) == ["history.json", "image-0.png", "values.npy", "way.gif"]
    for part in ("original", "perturbation", "chain", "examples"):
        with pytest.raises(NotFound, match=rf"unknown artifact '{part}\.png'"):
            job.result(parts=["images", part])
    with pytest.raises(InvalidArgument, match="known: images, values, history, way, original, perturbation, chain"):
        job.result(parts=["pictures"])


def test_a_file_that_was_not_fetched_is_not_one_that_is_missing(client: Client, jobs: JobStandIn) -> None:
    job = client.create_adversarial(b"a picture", model=MODEL)
    job.result(20)
    jobs.offsets.clear()
    made = job.result(parts=["perturbation"])
    assert isinstance(made, Adversarial)
    assert len(jobs.offsets) == 1
    assert made.perturbation.getpixel((0, 0)) == (128, 128, 128)
    for ask in (lambda: made.image, lambda: made.original, lambda: made.values, lambda: made.history):
        with pytest.raises(FailedPrecondition, match="was not fetched"):
            ask()
    with pytest.raises(FailedPrecondition, match="was not fetched"):
        made.contact_sheet()
    assert made._repr_png_() is None


def test_what_a_job_has_lost_does_not_keep_the_rest_from_coming(client: Client, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.succeed(name)
    artifacts = jobs.records[name].job.artifacts
    del artifacts[[one.name.rpartition("/")[2] for one in artifacts].index("way.gif")]
    made = client.job(name).result()
    assert len(made.images) == 1
    with pytest.raises(NotFound, match=r"unknown artifact 'way\.gif'"):
        _ = made.way


def test_damaged_pictures_are_faults_of_the_server(client: Client, jobs: JobStandIn) -> None:
    other = jobs.add("create_adversarial")
    jobs.succeed(other, original_png=b"no picture", perturbation_png=b"no picture")
    made = client.job(other).result()
    for part in ("original", "perturbation"):
        with pytest.raises(ServerFault, match=rf"{part}\.png cannot be decoded"):
            getattr(made, part)


# On sheets.


def test_classes_and_channels_fill_a_sheet_that_is_about_square(client: Client) -> None:
    made = client.visualize_channel(model=MODEL, unit=[Unit("layer3", number) for number in range(5)]).result(20)
    assert rows_of(places_of(made.contact_sheet(), made.images)) == [3, 2]


def test_inversions_follow_the_photograph_from_shallow_to_deep(client: Client, tmp_path: Path) -> None:
    made = client.invert_features(b"a picture", model=MODEL, all_layers=True).result(20)
    sheet = made.contact_sheet()
    assert rows_of(places_of(sheet, [made.original, *made.images])) == [6, 3]
    made.save(tmp_path / "all.png")
    with Image.open(tmp_path / "all.png") as saved:
        assert saved.tobytes() == sheet.tobytes()
    few = client.invert_features(b"a picture", model=MODEL, layer=["layer1", "layer2", "layer3"]).result(20)
    assert rows_of(places_of(few.contact_sheet(), [few.original, *few.images])) == [4]


def test_without_the_photograph_a_sheet_has_the_layers_alone(client: Client) -> None:
    job = client.invert_features(b"a picture", model=MODEL, layer=["layer1", "layer2", "layer3"])
    made = job.result(20, parts=["images"])
    assert rows_of(places_of(made.contact_sheet(), made.images)) == [3]


def test_one_inversion_is_saved_as_it_is(client: Client, jobs: JobStandIn, tmp_path: Path) -> None:
    made = client.invert_features(b"a picture", model=MODEL).result(20)
    made.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == jobs.records[made.job.name].files["image-0.png"]


def test_an_attack_is_shown_between_the_original_and_its_change(
    client: Client, jobs: JobStandIn, tmp_path: Path
) -> None:
    made = attacked(client)
    sheet = made.contact_sheet()
    assert rows_of(places_of(sheet, [made.original, made.image, made.perturbation])) == [3]
    shown = made._repr_png_()
    assert shown is not None
    with Image.open(BytesIO(shown)) as picture:
        assert picture.tobytes() == sheet.tobytes()
    made.save(tmp_path / "a.png")
    files = jobs.records[made.job.name].files
    assert (tmp_path / "a.png").read_bytes() == files["image-0.png"]
    alone = client.job(made.job.name).result(parts=["images"])
    assert alone._repr_png_() == files["image-0.png"]


def test_a_sheet_is_as_wide_as_its_words_and_shrinks_what_is_too_large() -> None:
    words = "features.denseblock3.denselayer12.conv2 channel 120"
    large, small = Image.new("RGB", (800, 600), "red"), Image.new("RGB", (32, 24), "blue")
    plain = sheet_of([[Tile(large)], [Tile(small)]])
    assert plain.size == (800 + 2 * MARGIN, MARGIN + 2 * (600 + CAPTION_HEIGHT + MARGIN))
    sheet = sheet_of(in_rows([Tile(large), Tile(small, words)], 2), largest=100)
    width = ceil(ImageFont.load_default(15).getlength(words))
    assert sheet.size == (2 * (width + MARGIN) + MARGIN, 2 * MARGIN + 100 + CAPTION_HEIGHT)
    shown = np.asarray(sheet)
    assert ((shown == (255, 0, 0)).all(axis=2)).sum() == 133 * 100
    assert ((shown == (0, 0, 255)).all(axis=2)).sum() == 32 * 24
    assert sheet.getpixel((sheet.width - 1, MARGIN + 100 + 10)) == Image.new("RGB", (1, 1), PAPER).getpixel((0, 0))
    assert sheet_of([]).size == (MARGIN, MARGIN)
