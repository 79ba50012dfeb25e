"""Long work on the command line: what begins jobs, and jobs itself."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from google.rpc import code_pb2
from PIL import Image

from convscope.client import Client, Recipe
from convscope.client.cli import main
from convscope.client.job_plans import STATES
from convscope.engine.synthesis.recipes import RECIPES
from convscope.v1.image_pb2 import Image as ImageMessage
from convscope.v1.synthesis_service_pb2 import (
    CreateAdversarialRequest,
    JobOptions,
    SynthesisParameters,
    SynthesisStage,
)
from convscope.v1.target_pb2 import ClassReference, Unit
from tests.clients.job_stand_in import HEIGHT, WIDTH, JobServer, JobStandIn, serving_jobs
from tests.clients.test_cli import CONVSCOPE, SECONDS, Run, assert_one_sentence, output
from tests.clients.test_jobs import behind
from tests.processes import free_port, wait_until

TABBY = "tabby 20.00 (probability 0.98)"


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
def folder(tmp_path: Path, cat_path: Path) -> Path:
    shutil.copy(cat_path, tmp_path / "cat.png")
    return tmp_path


@pytest.fixture
def arrays(folder: Path) -> None:
    """Files of features, right and wrong, in the folder."""
    np.save(folder / "features.npy", np.zeros((8, 4, 4), np.float32))
    np.save(folder / "integers.npy", np.zeros((2, 3), np.int64))
    np.save(folder / "objects.npy", np.array([None]), allow_pickle=True)
    (folder / "empty.npy").write_bytes(b"")


@pytest.fixture
def convscope(
    server: JobServer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """In this process, which is quick."""

    def run(*arguments: str | Path | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["convscope", *arguments])
        for name, value in (settings(server) | environment).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, int(ended.value.code or 0), out, err)

    return run


def settings(server: JobServer) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"CONVSCOPE_SERVER": server.address, "TERM": "xterm", "COLUMNS": "120"}


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


class Terminal:
    """`convscope ARGUMENTS` whose standard error is a terminal."""

    def __init__(self, server: JobServer, folder: Path, *arguments: str) -> None:
        self._terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [CONVSCOPE, *arguments], cwd=folder, env=settings(server), stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        self.written = ""

    def read_until(self, words: str) -> None:
        while words not in self.written and self._read():
            pass
        assert words in self.written, self.written

    def end(self) -> tuple[int, str]:
        """Its exit status and standard output."""
        while self._read():
            pass
        os.close(self._terminal)
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out.decode()

    def _read(self) -> bool:
        try:
            some = os.read(self._terminal, 4096)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.written += some.decode(errors="replace")
        return bool(some)


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
    *lines, last = output(convscope("recipe-table", "tabby", "--steps", "3", "-p", "jitter=0")).splitlines()
    assert last == "-> recipes.png"
    assert lines == [f"{name}: {TABBY}" for name in RECIPES]
    assert [request.recipe for request in jobs.requests] == list(RECIPES)
    for request in jobs.requests:
        assert list(request.targets) == [ClassReference(label="tabby")]
        assert request.parameters == SynthesisParameters(steps=3, jitter=0)
    systems = [recipe.system for recipe in RECIPES.values()]
    rows = [[n for n, system in enumerate(systems) if system == one] for one in dict.fromkeys(systems)]
    with Image.open(folder / "recipes.png") as sheet:
        tops = tops_of(sheet, [jobs.records[f"jobs/{n + 1:04}"].files["image-0.png"] for n in range(len(systems))])
    assert [len(row) for row in tops] == [len(row) for row in rows], "a row for each system"


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
    terminal = Terminal(server, folder, "recipe-table", "tabby", *options)
    terminal.read_until("running")
    terminal.process.send_signal(signal.SIGINT)
    status, out = terminal.end()
    assert (status, out) == (130, "")
    assert "jobs/0001, jobs/0002 go on; `convscope jobs watch JOB`" in " ".join(terminal.written.split())
    assert "Traceback" not in terminal.written


def test_detach_prints_the_name_and_leaves_the_job_to_itself(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = None
    assert output(convscope("visualize-class", "tabby", "--detach")) == "jobs/0001\n"
    assert output(convscope("dream", "cat.png", "--detach")) == "jobs/0002\n"
    jobs.run("jobs/0001")
    assert output(convscope("jobs", "result", "0001", "-o", "a.png")) == f"jobs/0001: {TABBY} -> a.png\n"
    jobs.run("jobs/0002")
    assert output(convscope("jobs", "result", "jobs/0002")) == "jobs/0002: a dream with layer2 -> 0002.png\n"
    assert sorted(path.name for path in folder.iterdir()) == ["0002.png", "a.png", "cat.png"]
    others = [("visualize-channel", "fc", "1"), ("invert", "cat.png"), ("adversarial", "cat.png"), ("fool", "tabby")]
    for number, command in enumerate(others, 3):
        assert output(convscope(*command, "--detach")) == f"jobs/000{number}\n"
        jobs.run(f"jobs/000{number}")
    names = ["fc_channel_1.png", "layer2.png", "0005.png", "tabby.png"]
    for number, name in enumerate(names, 3):
        assert output(convscope("jobs", "result", f"000{number}")).endswith(f" -> {name}\n")


def test_a_terminal_shows_how_far_it_is(server: JobServer, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = lambda name: jobs.run(name, steps=30, pause=0.05)
    terminal = Terminal(server, folder, "visualize-class", "tabby")
    status, out = terminal.end()
    assert (status, out) == (0, f"jobs/0001: {TABBY} -> tabby.png\n")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.written)
    assert re.search(r"running .* \d+/30 +[\d.]+ steps/s 0:00:0\d +loss 0\.\d+ score \d+", shown), shown


def test_ctrl_c_ends_the_command_and_not_the_job(server: JobServer, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = lambda name: jobs.run(name, steps=100, pause=0.05)
    terminal = Terminal(server, folder, "visualize-class", "tabby")
    terminal.read_until("running")
    terminal.process.send_signal(signal.SIGINT)
    status, out = terminal.end()
    assert (status, out) == (130, "")
    assert "jobs/0001 goes on" in terminal.written
    assert "`convscope jobs watch jobs/0001`" in terminal.written
    assert "`convscope jobs cancel jobs/0001`" in terminal.written
    assert "Traceback" not in terminal.written
    assert not jobs.records["jobs/0001"].job.cancel_requested


def test_a_server_that_comes_back_is_followed_further(server: JobServer, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = lambda name: jobs.run(name, steps=60, pause=0.05)
    process = subprocess.Popen(
        [CONVSCOPE, "visualize-class", "tabby"], cwd=folder, env=settings(server), stdout=subprocess.PIPE
    )
    wait_until(lambda: jobs.watching == 1, "it watches", SECONDS)
    server.stop()
    server.start()
    out, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (0, f"jobs/0001: {TABBY} -> tabby.png\n".encode())


def test_jobs_list_shows_the_newest_first(convscope: Run, jobs: JobStandIn) -> None:
    done, failed, waiting = jobs.add(), jobs.add("deep_dream"), jobs.add()
    jobs.run(done)
    jobs.fail(failed, message="no [memory] is left")
    header, *lines = output(convscope("jobs", "list")).splitlines()
    assert header.split()[:4] == ["job", "kind", "state", "steps"]
    assert [line.split()[:3] for line in lines] == [
        [waiting, "visualize_class", "queued"],
        [failed, "deep_dream", "failed"],
        [done, "visualize_class", "succeeded"],
    ]
    assert "10/10" in lines[2]
    assert "no [memory] is left" in lines[1]
    assert len(output(convscope("jobs", "list", "--limit", "1")).splitlines()) == 2
    chosen = output(convscope("jobs", "list", "--state", "failed", "--state", "queued", "--kind", "deep_dream"))
    assert [line.split()[0] for line in chosen.splitlines()[1:]] == [failed]


def test_jobs_list_prints_json(convscope: Run, jobs: JobStandIn) -> None:
    name = jobs.add()
    jobs.run(name)
    (found,) = json.loads(output(convscope("jobs", "list", "--json")))
    assert (found["name"], found["state"], found["step"], found["loss"]) == (name, "succeeded", 10, 0.1)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00$", found["created"])
    assert found["artifacts"][0]["name"] == "image-0.png"


def test_jobs_watch_follows_to_the_end(convscope: Run, jobs: JobStandIn) -> None:
    name = jobs.add()

    def work() -> None:
        wait_until(lambda: jobs.watching == 1, "it watches", SECONDS)
        jobs.begin(name)
        jobs.begin(name, attempt=2, message="the worker is gone")
        jobs.run(name, then="succeed")

    worker = behind(work)
    lines = output(convscope("jobs", "watch", "0001")).splitlines()
    worker.join(10)
    assert lines == [f"{name} is queued", "running", "running, attempt 2: the worker is gone", "running", "succeeded"]
    assert output(convscope("jobs", "watch", name)) == f"{name} is succeeded, 10 of 10 steps\n"


def test_jobs_watch_says_why_nothing_was_made(convscope: Run, jobs: JobStandIn) -> None:
    failed, ended = jobs.add(), jobs.add()
    jobs.fail(failed)
    jobs.end_cancelled(ended)
    result = convscope("jobs", "watch", failed)
    assert (result.returncode, result.stdout) == (1, f"{failed} is failed\n")
    assert result.stderr == "error: no memory is left\n"
    assert convscope("jobs", "watch", ended).stderr == f"error: {ended} was cancelled\n"
    assert assert_one_sentence(convscope("jobs", "result", failed)) == "no memory is left"


def test_jobs_cancel_asks_for_the_end(convscope: Run, jobs: JobStandIn) -> None:
    waiting, running = jobs.add(), jobs.add()
    jobs.begin(running)
    jobs.step(running, 3)
    assert output(convscope("jobs", "cancel", waiting)) == f"{waiting} is cancelled\n"
    expected = f"{running} is running, 3 of 10 steps, its end is asked for\n"
    assert output(convscope("jobs", "cancel", running)) == expected
    assert output(convscope("jobs", "cancel", running)) == expected


def test_jobs_delete_deletes(convscope: Run, jobs: JobStandIn) -> None:
    name = jobs.add()
    assert output(convscope("jobs", "delete", "0001")) == f"{name} is deleted\n"
    assert jobs.records == {}
    assert "there is no job jobs/0001" in assert_one_sentence(convscope("jobs", "delete", "0001"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("visualize-class", "tabby", "-o", "why.doc"), "why.doc must end in one of .png, .npy, .gif, .json"),
        (("visualize-class", "tabby", "-o", "missing/why.png"), "there is no folder missing"),
        (("visualize-class", "281", "taby"), "targets[1]: unknown class 'taby'; nearest: tabby"),
        (("dream", "missing.jpg"), "missing.jpg cannot be read"),
        (("dream", "cat.png", "--guide", "missing.jpg"), "guide: the picture missing.jpg cannot be read"),
        (("dream", "cat.png", "-o", "dream.jpg"), "dream.jpg must end in one of"),
        (("visualize-class", "tabby", "--start", "missing.jpg"), "missing.jpg cannot be read"),
        (
            ("visualize-class", "tabby", "-p", "stepz=3"),
            "parameters.stepz: a synthesis has no parameter 'stepz'; it has",
        ),
        (("visualize-class", "tabby", "-p", "l2=nan"), "parameters.l2: l2 must be a finite number, not nan"),
        (
            ("visualize-class", "tabby", "-p", "steps=99999999999"),
            "parameters.steps: steps 99999999999 is out of range",
        ),
        (("visualize-class", "tabby", "-p", "stages=3"), "parameters.stages: stages must be several stages, not 3"),
        (
            ("visualize-class", "tabby", "-p", 'stages=[{"scale": "x"}]'),
            "parameters.stages[0].scale: scale must be a number",
        ),
        (("visualize-channel", "layer3", "99999999999"), "units[0].channel 99999999999 is out of range"),
        (("visualize-channel", "layer3", "5", "-o", "why.doc"), "why.doc must end in one of"),
        (("invert",), "image: an image or features must be given"),
        (("invert", "missing.jpg"), "missing.jpg cannot be read"),
        (("invert", "cat.png", "--features", "features.npy", "--layer", "fc"), "image goes without features"),
        (("invert", "cat.png", "--layer", "fc", "--all-layers"), "layers: all_layers goes without a layer"),
        (("invert", "--features", "features.npy"), "layers: features are of one layer, which must be named"),
        (("invert", "--features", "missing.npy", "--layer", "fc"), "features cannot be read from missing.npy: No such"),
        (("invert", "--features", "cat.png", "--layer", "fc"), "features cannot be read from cat.png: "),
        (("invert", "--features", "empty.npy", "--layer", "fc"), "features cannot be read from empty.npy: "),
        (("invert", "--features", "objects.npy", "--layer", "fc"), "features cannot be read from objects.npy: Object"),
        (("invert", "--features", "integers.npy", "--layer", "fc"), "not int64 [2, 3]"),
        (("adversarial", "missing.jpg"), "missing.jpg cannot be read"),
        (("adversarial", "cat.png", "-o", "missing/a.png"), "there is no folder missing"),
        (("adversarial", "cat.png", "--epsilon", "nan"), "epsilon must be a finite number, not nan"),
        (("fool", "taby", "--confidence", "nan"), "confidence must be a finite number, not nan"),
        (("recipe-table", "taby"), "targets[0]: unknown class 'taby'; nearest: tabby"),
        (("recipe-table", "tabby", "--recipe", "olah"), "recipe: unknown recipe 'olah'; known: erhan2009, szegedy2013"),
        (("recipe-table", "tabby", "-o", "recipes.npy"), "recipes.npy must be the name of a picture"),
        (("recipe-table", "tabby", "-o", "missing/recipes.png"), "there is no folder missing"),
        (("jobs", "watch", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "cancel", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "result", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "result", "nobody", "-o", "why.doc"), "why.doc must end in one of"),
        (("jobs", "list", "--state", "done"), "states cannot be 'done'; known: queued, running, succeeded"),
        (
            ("jobs", "list", "--kind", "dream"),
            "kinds cannot be 'dream'; known: visualize_class, visualize_channel, deep_dream",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.usefixtures("arrays")
def test_an_error_is_one_sentence(
    convscope: Run, jobs: JobStandIn, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    before = sorted(folder.iterdir())
    assert words in assert_one_sentence(convscope(*arguments))
    assert sorted(folder.iterdir()) == before, "nothing is left behind"
    assert jobs.records == {}, "nothing was begun"


def test_a_job_that_fails_is_one_sentence(convscope: Run, jobs: JobStandIn) -> None:
    jobs.work = lambda name: jobs.fail(name, code_pb2.INTERNAL, "a defect")
    assert assert_one_sentence(convscope("visualize-class", "tabby")) == "a defect"


def test_no_server_is_told_at_once(convscope: Run) -> None:
    result = convscope("jobs", "watch", "0001", "--server", f"127.0.0.1:{free_port()}")
    assert "start one with `convscope up`" in assert_one_sentence(result)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("visualize-class",), "target"),
        (("visualize-class", "tabby", "--steps", "many"), "--steps"),
        (("visualize-class", "tabby", "--l2", "0.5"), "--l2"),
        (("visualize-class", "tabby", "-p", "steps"), "'steps' is no name=value"),
        (("visualize-class", "tabby", "-p", "steps=1.5"), "steps cannot be '1.5'"),
        (("visualize-class", "tabby", "-p", "window=1"), "window cannot be '1'"),
        (("visualize-class", "tabby", "-p", "stages=[{"), "stages cannot be '[{'"),
        (("visualize-channel", "layer3"), "channel"),
        (("visualize-channel", "layer3", "five"), "'channel'"),
        (("visualize-channel", "layer3", "5", "--place", "3"), "'3' is no ROW,COLUMN"),
        (("visualize-channel", "layer3", "5", "--place", "3,-1"), "'3,-1' is no ROW,COLUMN"),
        (("adversarial",), "photo"),
        (("adversarial", "cat.png", "--epsilon", "8/0"), "'8/0' is no number such as 0.03 or 8/255"),
        (("adversarial", "cat.png", "--step-size", "1/2/3"), "'1/2/3' is no number"),
        (("adversarial", "cat.png", "--restarts", "some"), "--restarts"),
        (("fool",), "target"),
        (("recipe-table",), "target"),
        (("dream", "cat.png", "--channel", "x"), "--channel"),
        (("jobs", "list", "--limit", "0"), "--limit"),
        (("jobs", "follow", "0001"), "follow"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_refused_before_any_call(
    convscope: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = convscope(*arguments, CONVSCOPE_SERVER=f"127.0.0.1:{free_port()}")
    assert (result.returncode, result.stdout) == (2, "")
    assert words.casefold() in result.stderr.casefold()
    assert "Traceback" not in result.stderr
