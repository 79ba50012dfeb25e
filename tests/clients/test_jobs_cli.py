"""Long work on the command line: visualize-class, dream, jobs."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from google.rpc import code_pb2
from PIL import Image

from convscope.client import Client
from convscope.client.cli import main
from convscope.v1.target_pb2 import ClassReference
from tests.clients.job_stand_in import HEIGHT, WIDTH, JobServer, JobStandIn, serving_jobs
from tests.clients.test_cli import CONVSCOPE, SECONDS, Run, assert_one_sentence, output
from tests.clients.test_jobs import behind
from tests.processes import free_port, wait_until


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
    assert output(result) == "jobs/0001: tabby 20.00 -> tabby.png\n"
    assert result.stderr == ""
    assert (folder / "tabby.png").read_bytes() == jobs.records["jobs/0001"].files["image-0.png"]
    assert output(convscope("visualize-class", "920")).endswith("-> traffic_light_stoplight.png\n")


def test_visualize_class_passes_on_all_options(convscope: Run, jobs: JobStandIn) -> None:
    options = "--steps 7 --step-size 2 --l2 0.5 --momentum 0 --jitter 0 --blur 2 --not-normalized --noise 0.1"
    options += " --seed 3 --priority 9"
    output(convscope("visualize-class", "281", "tiger cat", "-m", "resnet18_seeded", *options.split()))
    (request,) = jobs.requests
    assert list(request.targets) == [ClassReference(index=281), ClassReference(label="tiger cat")]
    assert (request.model, request.steps, request.step_size, request.l2) == ("models/resnet18_seeded", 7, 2.0, 0.5)
    assert (request.momentum, request.jitter, request.noise, request.seed) == (0.0, 0, 0.1, 3)
    assert (request.blur, request.normalized) == (2.0, False)
    assert all(request.HasField(field) for field in ("momentum", "jitter", "normalized"))
    assert request.options.priority == 9


def test_several_classes_are_one_sheet(convscope: Run, server: JobServer, folder: Path) -> None:
    line = output(convscope("visualize-class", "tabby", "282"))
    assert line == "jobs/0001: tabby 20.00, tiger cat 19.00 -> tabby-and-1-more.png\n"
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


def test_detach_prints_the_name_and_leaves_the_job_to_itself(convscope: Run, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = None
    assert output(convscope("visualize-class", "tabby", "--detach")) == "jobs/0001\n"
    assert output(convscope("dream", "cat.png", "--detach")) == "jobs/0002\n"
    jobs.run("jobs/0001")
    assert output(convscope("jobs", "result", "0001", "-o", "a.png")) == "jobs/0001: tabby 20.00 -> a.png\n"
    jobs.run("jobs/0002")
    assert output(convscope("jobs", "result", "jobs/0002")) == "jobs/0002: a dream with layer2 -> 0002.png\n"
    assert sorted(path.name for path in folder.iterdir()) == ["0002.png", "a.png", "cat.png"]


def test_a_terminal_shows_how_far_it_is(server: JobServer, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = lambda name: jobs.run(name, steps=30, pause=0.05)
    terminal = Terminal(server, folder, "visualize-class", "tabby")
    status, out = terminal.end()
    assert (status, out) == (0, "jobs/0001: tabby 20.00 -> tabby.png\n")
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
    assert (process.returncode, out) == (0, b"jobs/0001: tabby 20.00 -> tabby.png\n")


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
        (("jobs", "watch", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "cancel", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "result", "nobody"), "there is no job jobs/nobody"),
        (("jobs", "result", "nobody", "-o", "why.doc"), "why.doc must end in one of"),
        (("jobs", "list", "--state", "done"), "states cannot be 'done'; known: queued, running, succeeded"),
        (("jobs", "list", "--kind", "dream"), "kinds cannot be 'dream'; known: visualize_class, deep_dream"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
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
