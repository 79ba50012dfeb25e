"""Learned priors on the command line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from convscope.client import Collection
from convscope.v1.synthesis_service_pb2 import JobOptions, PriorTraining, TrainPriorRequest
from tests.clients.collections.calls import MODEL
from tests.clients.collections.stand_in import CollectionStandIn
from tests.clients.terminal import Run, assert_one_sentence, output
from tests.processes import free_port

HOW = ("-m", MODEL, "--layer", "layer3")
LEARNED = (
    f"0001: layer3 of {MODEL}, pictures of 64 x 64 pixels, learned from 5 images; "
    "errors: pixels 0.125, features 0.50, denoising 0.75"
)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def cells(line: str) -> list[str]:
    """Of a row of a table."""
    return re.split(r" {2,}", line.strip())


def test_train_tells_what_was_learned(convscope: Run, folder: Path, photos: Collection) -> None:
    assert output(convscope("prior", "train", photos.name, *HOW)) == f"jobs/0001: {LEARNED}\n"
    assert files_of(folder) == []


def test_train_writes_samples_and_the_prior_into_a_folder(
    convscope: Run, kept: CollectionStandIn, folder: Path, photos: Collection
) -> None:
    lines = output(convscope("prior", "train", photos.name, *HOW, "-o", "deep/prior")).splitlines()
    assert lines == [f"jobs/0001: {LEARNED}", "-> deep/prior"]
    files = kept.records["jobs/0001"].files
    assert {path.name: path.read_bytes() for path in (folder / "deep" / "prior").iterdir()} == files


def test_train_passes_on_all_options(convscope: Run, kept: CollectionStandIn, photos: Collection) -> None:
    options = (
        "--preset standard --steps 9 --batch 4 --rate 0.5 --pixel-weight 2 --feature-weight 0 "
        "--adversarial-weight 0.25 --noise 0.125 --generator-noise 3 --seed 7 --priority 0"
    )
    output(convscope("prior", "train", photos.name, *HOW, *options.split()))
    output(convscope("prior", "train", photos.name.removeprefix("collections/"), *HOW))
    for request in kept.requests:
        assert request.options.request_id
        request.options.ClearField("request_id")
    whole: dict[str, Any] = {"model": f"models/{MODEL}", "layer": "layer3", "collection": photos.name}
    training = PriorTraining(
        preset="standard", steps=9, batch=4, rate=0.5, pixel_weight=2.0, feature_weight=0.0, adversarial_weight=0.25,
        noise=0.125, generator_noise=3.0, seed=7,
    )  # fmt: skip
    assert kept.requests == [
        TrainPriorRequest(**whole, training=training, options=JobOptions(priority=0)),
        TrainPriorRequest(**whole, options=JobOptions()),
    ]


def test_a_detached_training_is_followed_and_read_by_its_name(
    convscope: Run, kept: CollectionStandIn, folder: Path, photos: Collection
) -> None:
    kept.work = None
    assert output(convscope("prior", "train", photos.name, *HOW, "--detach")) == "jobs/0001\n"
    kept.run("jobs/0001")
    assert output(convscope("jobs", "watch", "0001")) == "jobs/0001 is succeeded, 4 of 4 steps\n"
    lines = output(convscope("jobs", "result", "0001", "-o", "made")).splitlines()
    assert lines == [f"jobs/0001: {LEARNED}", "-> made"]
    assert files_of(folder / "made") == ["prior.safetensors", "samples.png"]
    assert "train_prior" in output(convscope("jobs", "list", "--kind", "train_prior"))


def test_list_shows_those_that_ship_first(convscope: Run, photos: Collection) -> None:
    output(convscope("prior", "train", photos.name, *HOW))
    header, shipped, trained = map(cells, output(convscope("prior", "list")).splitlines())
    assert header[:6] == ["prior", "model", "layer", "code", "pictures", "images"]
    assert header[6:] == ["pixels", "features", "denoising", "created"]
    assert shipped == ["shapes", "shapes", "features.3", "128", "48 x 64", "5000", "0.062", "0.25", "0.50"]
    assert trained[:-1] == ["0001", MODEL, "layer3", "256 x 4 x 4", "64 x 64", "5", "0.125", "0.50", "0.75"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", trained[-1])
    found = json.loads(output(convscope("prior", "list", "--json")))
    assert [(one["name"], one["code_shape"]) for one in found] == [("shapes", [128, 1, 1]), ("0001", [256, 4, 4])]
    assert (found[0]["created"], found[0]["training"]["preset"]) == (None, "standard")
    assert found[1]["created"].endswith("+00:00")


def test_show_tells_what_is_known(convscope: Run, photos: Collection) -> None:
    output(convscope("prior", "train", photos.name, *HOW, "--steps", "9", "--rate", "0.5"))
    assert output(convscope("prior", "show", "0001")).splitlines() == [
        LEARNED,
        "code: 256 x 4 x 4; errors measured on 1 other image",
        "trained with steps 9, rate 0.5",
        f"from {photos.name}, in jobs/0001/artifacts/prior.safetensors",
    ]
    *_, last = output(convscope("prior", "show", "priors/shapes")).splitlines()
    assert last == "ships with convscope"
    found = json.loads(output(convscope("prior", "show", "shapes", "--json")))
    assert (found["name"], found["held_out_count"], found["training"]["steps"]) == ("shapes", 500, 100)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "nobody", *HOW), "there is no collections/nobody"),
        (("train", "0001", *HOW, "-o", "file"), "output: file is no folder"),
        (("train", "0001", *HOW, "--steps", "99999999999"), "training.steps: steps 99999999999 is out of range"),
        (("train", "0001", *HOW, "--rate", "nan"), "training.rate: rate must be a finite number, not nan"),
        (("show", "nobody"), "there is no priors/nobody"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.usefixtures("photos")
def test_an_error_is_one_sentence(
    convscope: Run, kept: CollectionStandIn, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    (folder / "file").write_bytes(b"")
    assert words in assert_one_sentence(convscope("prior", *arguments))
    assert kept.records == {}, "nothing was begun"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "0001", "-m", MODEL), "--layer"),
        (("train", "0001", "--layer", "layer3"), "--model"),
        (("train", *HOW), "name"),
        (("train", "0001", *HOW, "--steps", "many"), "--steps"),
        (("show",), "name"),
        (("learn", "0001"), "learn"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_refused_before_any_call(
    convscope: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = convscope("prior", *arguments, CONVSCOPE_SERVER=f"127.0.0.1:{free_port()}")
    assert (result.returncode, result.stdout) == (2, "")
    assert words.casefold() in result.stderr.casefold()
