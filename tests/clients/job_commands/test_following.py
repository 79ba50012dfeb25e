"""Commands that follow jobs, and `convscope jobs`."""

import json
import re
import signal
import subprocess
from pathlib import Path

from tests.clients.job_commands.conftest import TABBY
from tests.clients.job_stand_in import JobServer, JobStandIn
from tests.clients.terminal import (
    CONVSCOPE,
    SECONDS,
    Run,
    Terminal,
    assert_one_sentence,
    output,
    settings,
)
from tests.clients.test_jobs import behind
from tests.processes import wait_until


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
    terminal = Terminal(server.address, folder, "visualize-class", "tabby")
    status, out = terminal.end()
    assert (status, out) == (0, f"jobs/0001: {TABBY} -> tabby.png\n")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.written)
    assert re.search(r"running .* \d+/30 +[\d.]+ steps/s 0:00:0\d +loss 0\.\d+ score \d+", shown), shown


def test_ctrl_c_ends_the_command_and_not_the_job(server: JobServer, jobs: JobStandIn, folder: Path) -> None:
    jobs.work = lambda name: jobs.run(name, steps=100, pause=0.05)
    terminal = Terminal(server.address, folder, "visualize-class", "tabby")
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
        [CONVSCOPE, "visualize-class", "tabby"], cwd=folder, env=settings(server.address), stdout=subprocess.PIPE
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
