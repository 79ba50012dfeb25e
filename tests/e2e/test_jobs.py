"""Long work through `convscope up`: SDK and command line, real network, real photographs."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.client import AsyncClient, Client, InvalidArgument, NotFound, Preview, Progress, StateChange
from tests.e2e.local_cluster import MODEL, local_cluster

CONVSCOPE = Path(sys.executable).with_name("convscope")
BEST_PHOTOGRAPH = 11.4
"""The highest score that EfficientNet-Lite0 gives any of scikit-image's photographs, for any class."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_cluster(tmp_path_factory.mktemp("jobs") / "data") as cluster:
        yield cluster.wait_until_up().server


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client.connect(server) as client:
        yield client


@pytest.fixture(scope="module")
def china() -> Image.Image:
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg"))


def test_classes_are_made_together_and_score_far_above_photographs(client: Client, tmp_path: Path) -> None:
    job = client.visualize_class(model=MODEL, target=["tabby", 130], steps=60, preview_seconds=0.5)
    events = list(job.watch())
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    states = [event.state for event in events if isinstance(event, StateChange)]
    assert states == ["queued", "running", "succeeded"]
    steps = [event for event in events if isinstance(event, Progress)]
    assert [steps[-1].step, steps[-1].total] == [60, 60]
    assert all(np.isfinite(event.loss) and len(event.scores) == 2 for event in steps)
    previews = [event for event in events if isinstance(event, Preview)]
    assert len(previews) >= 2
    assert previews[-1].picture.size == (320, 160), "both side by side"
    made = job.result()
    assert made.labels == ("tabby", "flamingo")
    assert min(made.scores) > BEST_PHOTOGRAPH
    assert made.values.shape == (2, 224, 224, 3)
    assert made.values.dtype == np.float32
    assert len(made.history["loss"]) == len(made.history["scores"]) == 60
    assert [picture.size for picture in made.images] == [(224, 224)] * 2
    shown = np.asarray(made.images[0]).astype(int)
    np.testing.assert_allclose(shown, made.values[0] * 255, atol=0.51)
    # What the network says of the picture that was made of a class is that class.
    for picture, label in zip(made.images, made.labels, strict=True):
        assert client.classify(picture, model=MODEL).predictions[0].label == label
    made.save(tmp_path / "way.gif")
    with Image.open(tmp_path / "way.gif") as way:
        assert getattr(way, "n_frames", 1) == 20


def test_the_same_seed_gives_the_same_picture(client: Client) -> None:
    first, again, other = (
        client.visualize_class(model=MODEL, target="orange", steps=5, seed=seed).result(timeout=60)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


def test_a_dream_keeps_the_photograph_and_takes_up_its_guide(
    client: Client, china: Image.Image, cat: Image.Image
) -> None:
    plain = client.deep_dream(china, model=MODEL, size=200, steps=4, octaves=3)
    guided = client.deep_dream(china, model=MODEL, size=200, steps=4, octaves=3, guide=cat)
    named = client.deep_dream(china, model=MODEL, size=200, steps=4, octaves=3, layer="blocks.5", channels=[3, 4])
    pictures = []
    for job in (plain, guided, named):
        dream = job.result(timeout=120)
        assert dream.images[0].size == (200, 133)
        pictures.append(np.asarray(dream.images[0]).astype(int))
    small = np.asarray(china.resize((200, 133))).astype(int)
    for picture in pictures:
        assert np.corrcoef(picture.ravel(), small.ravel())[0, 1] > 0.8
        assert np.abs(picture - small).mean() > 3
    assert np.abs(pictures[0] - pictures[1]).mean() > 3
    assert named.result().layer == "blocks.5"
    assert plain.result().layer == "blocks.8", "the one in the middle"


def test_a_layer_that_is_not_there_is_refused_before_anything_is_queued(client: Client, china: Image.Image) -> None:
    before = [job.name for job in client.jobs()]
    with pytest.raises(InvalidArgument, match=r"unknown layer 'blocks.99'; nearest: blocks") as refused:
        client.deep_dream(china, model=MODEL, layer="blocks.99")
    assert refused.value.field == "layer"
    with pytest.raises(InvalidArgument, match="nearest: tabby"):
        client.visualize_class(model=MODEL, target="tabi")
    assert [job.name for job in client.jobs()] == before


def test_jobs_are_listed_and_deleted(client: Client) -> None:
    job = client.visualize_class(model=MODEL, target=1, steps=2)
    job.result(timeout=60)
    newest = next(iter(client.jobs(states=["succeeded"], kinds=["visualize_class"])))
    assert newest.name == job.name
    assert client.job(job.name).state == "succeeded"
    job.delete()
    with pytest.raises(NotFound):
        client.job(job.name)
    assert job.name not in [one.name for one in client.jobs()]


def test_the_asynchronous_client_does_the_same(server: str) -> None:
    async def make() -> tuple[list[int], np.ndarray]:
        async with AsyncClient.connect(server) as client:
            job = await client.visualize_class(model=MODEL, target="orange", steps=5, seed=1)
            numbers = [event.number async for event in job.watch()]
            made = await job.result()
            assert await job.state == "succeeded"
            return numbers, made.values

    numbers, values = asyncio.run(make())
    assert numbers == list(range(1, len(numbers) + 1))
    assert values.shape == (1, 224, 224, 3)


def test_the_command_line_makes_watches_and_deletes(server: str, tmp_path: Path, cat_path: Path) -> None:
    def convscope(*arguments: str | Path) -> str:
        finished = subprocess.run(
            [CONVSCOPE, *arguments, "--server", server],
            capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()

    said = convscope("visualize-class", "tabby", "--steps", "5", "-o", "cat.png")
    assert "tabby" in said
    with Image.open(tmp_path / "cat.png") as picture:
        assert picture.size == (224, 224)
    name = convscope("dream", cat_path, "--steps", "2", "--octaves", "2", "--size", "150", "--detach")
    assert name.startswith("jobs/")
    convscope("jobs", "watch", name)
    convscope("jobs", "result", name, "-o", "dream.png")
    with Image.open(tmp_path / "dream.png") as picture:
        assert max(picture.size) == 150
    assert name in convscope("jobs", "list"), "whole, for the next command"
    assert name in convscope("jobs", "list", "--json")
    convscope("jobs", "cancel", name)  # of one that has ended nothing changes
    convscope("jobs", "delete", name)
    assert name not in convscope("jobs", "list", "--json")
