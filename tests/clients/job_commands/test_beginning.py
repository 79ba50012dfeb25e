"""Commands that begin jobs, and write what they made."""

import json
import signal
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.client import Client, Recipe
from convscope.client.job_plans import STATES
from convscope.engine.synthesis.recipes import RECIPES
from convscope.v1.image_pb2 import Image as ImageMessage
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    DatasetExamples,
    JobOptions,
    SynthesisParameters,
    SynthesisStage,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.clients.job_commands.conftest import TABBY
from tests.clients.job_stand_in import HEIGHT, WIDTH, JobServer, JobStandIn
from tests.clients.terminal import (
    Run,
    Terminal,
    assert_one_sentence,
    output,
)

CODED = ("nguyen2016_dgn", "nguyen2016_ppgn")
"""Recipes that make pictures of codes."""


def tops_of(sheet: Image.Image, files: list[bytes]) -> list[list[int]]:
    """Where the pictures of each row begin from the left, from top to bottom; all pictures are the same one."""
    with Image.open(BytesIO(files[0])) as picture:
        wanted = np.asarray(picture)
    pixels, rows = np.asarray(sheet), dict[int, list[int]]()
    for y, x in np.argwhere((pixels == wanted[0, 0]).all(axis=2)):
        if np.array_equal(pixels[y : y + HEIGHT, x : x + WIDTH], wanted):
            rows.setdefault(int(y), []).append(int(x))
    assert sum(map(len, rows.values())) == len(files)
    return list(rows.values())


def test_visualize_class_writes_the_picture_named_for_its_class(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    result = convscope("visualize-class", "tabby")
    assert output(result) == f"jobs/0001: {TABBY} -> tabby.png\n"
    assert result.stderr == ""
    assert (folder / "tabby.png").read_bytes() == jobs.records["jobs/0001"].files["image-0.png"]
    assert output(convscope("visualize-class", "920")).endswith("-> traffic_light_stoplight.png\n")


def test_visualize_class_passes_on_all_options(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    options = "--recipe tyka2016 --start cat.png --steps 7 --seed 3 --priority 9 -p step_size=2 -p momentum=0"
    options += " -p bounded=false -p optimizer=adam -p jitter=0 -p steps=9"
    stages = 'stages=[{"scale": 1.5, "step": [1, 0.5]}, {}]'
    command = ("visualize-class", "281", "tiger cat", "-m", "resnet18_seeded", *options.split(), "-p", stages)
    output(convscope(*command))
    (request,) = jobs.requests
    assert list(request.targets) == [ClassReference(index=281), ClassReference(label="tiger cat")]
    assert (request.model, request.recipe) == ("models/resnet18_seeded", "tyka2016")
    assert request.image.encoded == (folder / "cat.png").read_bytes()
    assert request.parameters == SynthesisParameters(
        step_size=2.0, momentum=0.0, bounded=False, optimizer="adam", jitter=0, steps=7, seed=3,
        stages=[SynthesisStage(scale=1.5, step=[1.0, 0.5]), SynthesisStage()],
    )  # fmt: skip
    assert request.options.priority == 9


def test_several_classes_are_one_sheet(convscope: Run, server: JobServer, folder: Path) -> None:
    line = output(convscope("visualize-class", "tabby", "282"))
    assert (
        line
        == "jobs/0001: tabby 20.00 (probability 0.98), tiger cat 19.00 (probability 0.98) -> tabby-and-1-more.png\n"
    )
    with Client.connect(server.address) as client, Image.open(folder / "tabby-and-1-more.png") as sheet:
        assert sheet.tobytes() == client.job("0001").result().contact_sheet().tobytes()


@pytest.mark.parametrize("name", ["a.npy", "a.gif", "a.json"])
def test_the_output_says_what_is_written(convscope: Run, jobs: JobStandIn, folder: Path, name: str) -> None:
    assert output(convscope("visualize-class", "tabby", "-o", name)).endswith(f"-> {name}\n")
    files = jobs.records["jobs/0001"].files
    assert (folder / name).read_bytes() in files.values()
    assert len(jobs.offsets) == 1, "only what is written is fetched"
    assert sorted(path.name for path in folder.iterdir()) == [name, "cat.png"]


def test_dream_writes_beside_the_photograph(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    line = output(convscope("dream", "cat.png"))
    assert line == "jobs/0001: a dream with layer2 -> cat.dream.png\n"
    with Image.open(folder / "cat.dream.png") as picture:
        assert picture.size == (WIDTH, HEIGHT)
    assert jobs.requests[0].image.encoded == (folder / "cat.png").read_bytes()


def test_dream_passes_on_all_options(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    options = (
        "--layer layer3 --channel 3 --channel 5 --guide cat.png --steps 2 --octaves 3 --octave-scale 1.5 "
        "--step-size 1 --jitter 0 --size 64 --seed 4 --priority 0 -o dream.npy"
    )
    assert output(convscope("dream", "cat.png", *options.split())) == "jobs/0001: a dream with layer3 -> dream.npy\n"
    (request,) = jobs.requests
    assert (request.layer, list(request.channels)) == ("layer3", [3, 5])
    assert request.guide.encoded == (folder / "cat.png").read_bytes()
    assert (request.steps, request.octaves, request.octave_scale, request.step_size) == (2, 3, 1.5, 1.0)
    assert (request.jitter, request.size, request.seed, request.options.priority) == (0, 64, 4, 0)
    assert request.options.HasField("priority")
    assert np.load(folder / "dream.npy").shape == (1, HEIGHT, WIDTH, 3)


def test_visualize_channel_writes_the_picture_named_for_its_channel(
    convscope: Run, jobs: JobStandIn, folder: Path
) -> None:
    line = output(convscope("visualize-channel", "layer3", "5"))
    assert line == "jobs/0001: layer3 channel 5 20 -> layer3_channel_5.png\n"
    assert (folder / "layer3_channel_5.png").read_bytes() == jobs.records["jobs/0001"].files["image-0.png"]
    line = output(convscope("visualize-channel", "layer3", "5", "0", "--place", "3,0"))
    words = "layer3 channel 5 at 3,0 20, layer3 channel 0 at 3,0 19"
    assert line == f"jobs/0002: {words} -> layer3_channel_5_at_3_0-and-1-more.png\n"
    assert [(one.channel, one.row, one.column) for one in jobs.requests[1].units] == [(5, 3, 0), (0, 3, 0)]


def test_visualize_channel_passes_on_all_options(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    options = (
        "-m resnet18_seeded --recipe tyka2016 --start cat.png --steps 7 --seed 3 --priority 0 -p copies=2 -o a.gif"
    )
    assert output(convscope("visualize-channel", "layer3", "5", *options.split())).endswith(" -> a.gif\n")
    (request,) = jobs.requests
    assert (request.model, request.recipe, request.options.priority) == ("models/resnet18_seeded", "tyka2016", 0)
    assert list(request.units) == [Unit(layer="layer3", channel=5)]
    assert request.image.encoded == (folder / "cat.png").read_bytes()
    assert request.parameters == SynthesisParameters(copies=2, steps=7, seed=3)


@pytest.mark.parametrize("command", ["visualize-class tabby", "visualize-channel layer3 5"])
def test_sheets_are_written_beside_the_picture(convscope: Run, jobs: JobStandIn, folder: Path, command: str) -> None:
    options = "--recipe nguyen2016_ppgn --prior head -p chain_every=5"
    examples = "--examples photos --example-count 3 --start-from-example"
    how = (*command.split(), *options.split(), *examples.split())
    line = output(convscope(*how, "-o", "made.png"))
    assert line.endswith(" -> made.png, made.chain.png, made.examples.png\n")
    files = jobs.records["jobs/0001"].files
    for name in ("chain.png", "examples.png"):
        assert (folder / f"made.{name}").read_bytes() == files[name]
    assert (folder / "made.png").read_bytes() == files["image-0.png"]
    (request,) = jobs.requests
    assert (request.prior, request.recipe) == ("priors/head", "nguyen2016_ppgn")
    assert request.examples == DatasetExamples(collection="collections/photos", count=3, start=True)
    assert output(convscope(*how, "-o", "made.npy")).endswith(" -> made.npy\n")
    line = output(convscope("jobs", "result", "0001", "-o", "again.png"))
    assert line.endswith(" -> again.png, again.chain.png, again.examples.png\n")
    line = output(convscope(*command.split(), "--examples", "photos", "-o", "plain.png"))
    assert line.endswith(" -> plain.png, plain.examples.png\n")
    assert jobs.requests[-1].examples == DatasetExamples(collection="collections/photos")


def test_invert_writes_beside_the_photograph(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    line = output(convscope("invert", "cat.png"))
    assert line == "jobs/0001: layer2 distance 0.12 similarity 0.80 -> cat.inverted.png\n"
    assert (folder / "cat.inverted.png").read_bytes() == jobs.records["jobs/0001"].files["image-0.png"]
    options = "--layer layer1 --layer layer3 --recipe olah2017 --steps 7 --seed 3 --priority 0 -p tv_weight=0.5"
    output(convscope("invert", "cat.png", *options.split(), "-m", "resnet18_seeded"))
    request = jobs.requests[1]
    assert (request.model, request.recipe, list(request.layers)) == (
        "models/resnet18_seeded",
        "olah2017",
        ["layer1", "layer3"],
    )
    assert request.image.encoded == (folder / "cat.png").read_bytes()
    assert request.parameters == SynthesisParameters(tv_weight=0.5, steps=7, seed=3)
    assert request.options.priority == 0


def test_invert_draws_all_layers_behind_the_photograph(convscope: Run, server: JobServer, folder: Path) -> None:
    assert "conv1 distance 0.12" in output(convscope("invert", "cat.png", "--all-layers", "-o", "all.png"))
    output(convscope("jobs", "result", "0001", "-o", "again.png"))
    with Client.connect(server.address) as client:
        made = client.job("0001").result()
    for name in ("all.png", "again.png"):
        with Image.open(folder / name) as sheet:
            assert sheet.tobytes() == made.contact_sheet().tobytes()
    assert server.jobs.requests[0].all_layers


def test_invert_takes_features_instead_of_a_photograph(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    features = np.random.default_rng(0).random((8, 4, 4), np.float32)
    np.save(folder / "head.npy", features)
    line = output(convscope("invert", "--features", "head.npy", "--layer", "layer3"))
    assert line == "jobs/0001: layer3 distance 0.12 -> head.inverted.png\n"
    (request,) = jobs.requests
    assert (request.features.data, list(request.features.shape)) == (features.tobytes(), [8, 4, 4])


def test_adversarial_writes_beside_the_photograph(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    line = output(convscope("adversarial", "cat.png"))
    words = "flamingo 0.93, was tabby 0.81; L-inf 0.031, L2 2.41, 12 steps"
    assert line == f"jobs/0001: {words} -> cat.adversarial.png\n"
    assert (folder / "cat.adversarial.png").read_bytes() == jobs.records["jobs/0001"].files["image-0.png"]
    (request,) = jobs.requests
    request.options.Clear()
    image = ImageMessage(encoded=(folder / "cat.png").read_bytes())
    assert request == CreateAdversarialRequest(model="models/efficientnet_lite0", image=image, options=JobOptions())


def test_adversarial_passes_on_all_options(convscope: Run, jobs: JobStandIn) -> None:
    jobs.fooled = False
    options = (
        "--target flamingo --attack pgd --norm l2 --epsilon 8/255 --steps 9 --step-size 0.25 --restarts 4 "
        "--no-random-start --confidence 0.5 --seed 3 --priority 0 -m resnet18_seeded -o a.npy"
    )
    line = output(convscope("adversarial", "cat.png", *options.split()))
    assert line.startswith("jobs/0001: not fooled: tabby 0.81, was tabby 0.81; ")
    (request,) = jobs.requests
    request.ClearField("image")
    assert request == CreateAdversarialRequest(
        model="models/resnet18_seeded", target=ClassReference(label="flamingo"), attack="pgd", norm="l2",
        epsilon=8 / 255, steps=9, step_size=0.25, restarts=4, random_start=False, confidence=0.5, seed=3,
        options=JobOptions(request_id=request.options.request_id, priority=0),
    )  # fmt: skip


def test_fool_makes_a_picture_from_noise(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    line = output(convscope("fool", "130"))
    assert line.startswith("jobs/0001: flamingo 0.93, was tabby 0.81; ")
    assert line.endswith(" -> 130.fooling.png\n")
    assert (folder / "130.fooling.png").read_bytes() == jobs.records["jobs/0001"].files["image-0.png"]
    options = "--confidence 0.5 --steps 9 --seed 3 --priority 0 -m resnet18_seeded -o a.png"
    output(convscope("fool", "traffic light, stoplight", *options.split()))
    plain, full = jobs.requests
    for request in (plain, full):
        assert request.options.request_id
        request.options.request_id = ""
    assert plain == CreateAdversarialRequest(
        model="models/efficientnet_lite0", target=ClassReference(index=130), attack="ascent", confidence=0.99,
        options=JobOptions(),
    )  # fmt: skip
    assert full == CreateAdversarialRequest(
        model="models/resnet18_seeded", target=ClassReference(label="traffic light, stoplight"), attack="ascent",
        confidence=0.5, steps=9, seed=3, options=JobOptions(priority=0),
    )  # fmt: skip


def test_recipes_are_listed_with_what_they_add(convscope: Run) -> None:
    lines = output(convscope("recipes")).splitlines()
    heading = lines[1].split()
    assert heading == ["recipe", "for", "system", "penalization", "robustness", "prior", "examples"]
    columns = [lines[1].index(word) + len(word) // 2 for word in heading[3:]]
    marks = {
        ("erhan2009", "visualization"): "....",
        ("szegedy2013", "visualization"): "...x",
        ("simonyan2013", "visualization"): "....",
        ("mordvintsev2015", "visualization"): ".x..",
        ("olah2017", "visualization"): "xx..",
        ("olah2017", "inversion"): "x...",
    }
    rows = {tuple(line.split()[:2]): line for line in lines[2:]}
    for recipe, expected in marks.items():
        row = rows[recipe]
        found = "".join("x" if "x" in row[column - 1 : column + 2].split() else "." for column in columns)
        assert found == expected, row
    assert "Øygaard 2015" in rows["oygaard2015", "visualization"]
    assert "Jitter, and one size of the picture after the other." in rows["mordvintsev2015", "visualization"]


def test_recipes_print_all_parameters_as_json(convscope: Run, server: JobServer) -> None:
    found = json.loads(output(convscope("recipes", "--json")))
    with Client.connect(server.address) as client:
        assert [Recipe(**one | {"additions": tuple(one["additions"])}) for one in found] == client.recipes()
    (oygaard,) = [one for one in found if one["name"] == "oygaard2015"]
    assert oygaard["parameters"]["stages"][1]["scale"] == 1.2


def test_recipe_table_draws_every_recipe_of_a_class(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    options = "--prior head --steps 3 -p jitter=0"
    *lines, last = output(convscope("recipe-table", "tabby", *options.split())).splitlines()
    assert last == "-> recipes.png"
    assert lines == [f"{name}: {TABBY}" for name in RECIPES]
    assert [request.recipe for request in jobs.requests] == list(RECIPES)
    for request in jobs.requests:
        assert request.prior == ("priors/head" if request.recipe in CODED else ""), "others take none"
        assert list(request.targets) == [ClassReference(label="tabby")]
        assert request.parameters == SynthesisParameters(steps=3, jitter=0)
    systems = [recipe.system for recipe in RECIPES.values()]
    rows = [[n for n, system in enumerate(systems) if system == one] for one in dict.fromkeys(systems)]
    with Image.open(folder / "recipes.png") as sheet:
        tops = tops_of(sheet, [jobs.records[f"jobs/{n + 1:04}"].files["image-0.png"] for n in range(len(systems))])
    assert [len(row) for row in tops] == [len(row) for row in rows], "a row for each system"


def test_recipe_table_leaves_out_what_needs_a_prior_where_there_is_none(convscope: Run, jobs: JobStandIn) -> None:
    lines = output(convscope("recipe-table", "tabby")).splitlines()
    others = [name for name in RECIPES if name not in CODED]
    left_out = [f"{name}: left out, for it needs a --prior" for name in CODED]
    assert lines == [*left_out, *(f"{name}: {TABBY}" for name in others), "-> recipes.png"]
    assert [request.recipe for request in jobs.requests] == others


def test_recipe_table_leaves_to_the_server_what_the_caller_wants_made_of_codes(
    convscope: Run, jobs: JobStandIn
) -> None:
    output(convscope("recipe-table", "tabby", "--recipe", "nguyen2016_dgn"))
    output(convscope("recipe-table", "tabby", "-p", "parameterization=code"))
    assert [request.recipe for request in jobs.requests] == ["nguyen2016_dgn", *RECIPES]
    assert {request.prior for request in jobs.requests} == {""}


def test_recipe_table_gives_the_prior_to_what_is_made_of_codes(convscope: Run, jobs: JobStandIn) -> None:
    named = ("recipe-table", "tabby", "--recipe", "olah2017", "--recipe", "nguyen2016_ppgn", "--prior", "head")
    for parameterization in ("code", "pixels"):
        output(convscope(*named, "-p", f"parameterization={parameterization}"))
    assert [request.prior for request in jobs.requests] == ["priors/head", "priors/head", "", ""]


def test_recipe_table_draws_the_recipes_that_are_named(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    options = "--recipe olah2017 --recipe simonyan2013 --recipe olah2017 --seed 3 --priority 9 -m resnet18_seeded"
    lines = output(convscope("recipe-table", "281", *options.split(), "-o", "two.jpg")).splitlines()
    assert lines == [f"simonyan2013: {TABBY}", f"olah2017: {TABBY}", "-> two.jpg"]
    with Image.open(folder / "two.jpg") as sheet:
        assert sheet.format == "JPEG"
    assert [(one.model, one.recipe, one.options.priority) for one in jobs.requests] == [
        ("models/resnet18_seeded", "simonyan2013", 9),
        ("models/resnet18_seeded", "olah2017", 9),
    ]


def test_recipe_table_goes_without_a_recipe_that_fails(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    def work(name: str) -> None:
        jobs.run(name, then="fail" if jobs.records[name].recipe == "nguyen2015" else "succeed")

    jobs.work = work
    result = convscope("recipe-table", "tabby", "--recipe", "nguyen2015", "--recipe", "olah2017")
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "nguyen2015: failed: no memory is left",
        f"olah2017: {TABBY}",
        "-> recipes.png",
    ]
    assert (folder / "recipes.png").exists()
    (folder / "recipes.png").unlink()
    result = convscope("recipe-table", "tabby", "--recipe", "nguyen2015")
    assert (result.returncode, result.stderr) == (1, "error: no memory is left\n")
    assert not (folder / "recipes.png").exists()


def test_recipe_table_begins_all_or_nothing(convscope: Run, jobs: JobStandIn) -> None:
    jobs.work, jobs.room = None, 3
    assert assert_one_sentence(convscope("recipe-table", "tabby")) == "too many jobs wait"
    assert [record.job.state for record in jobs.records.values()] == [STATES["cancelled"]] * 3


def test_ctrl_c_names_all_jobs_that_go_on(server: JobServer, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = lambda name: jobs.run(name, steps=100, pause=0.05)
    options = ("--recipe", "erhan2009", "--recipe", "olah2017")
    terminal = Terminal(server.address, folder, "recipe-table", "tabby", *options)
    terminal.read_until("running")
    terminal.process.send_signal(signal.SIGINT)
    status, out = terminal.end()
    assert (status, out) == (130, "")
    assert "jobs/0001, jobs/0002 go on; `convscope jobs watch JOB`" in " ".join(terminal.written.split())
    assert "Traceback" not in terminal.written
