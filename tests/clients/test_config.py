"""convscope config says what is in force, and shows no secret."""

from pathlib import Path

import pytest

from convscope.client.cli.config import PROGRAMS
from tests.clients.terminal import Run, assert_one_sentence, in_process, output

SECRETS = {"CONVSCOPE_TOKEN": "open-sesame", "CONVSCOPE_REDIS_URL": "redis://:swordfish@store:6379/0"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return in_process("cluster:50051", tmp_path, monkeypatch, capsys)


def row(text: str, variable: str) -> list[str]:
    (found,) = [line.split() for line in text.splitlines() if line.split()[:1] == [variable]]
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_tells_its_settings_and_no_secret(program: str, run: Run) -> None:
    text = output(run("config", program, **SECRETS, COLUMNS="250"))
    assert "open-sesame" not in text
    assert "swordfish" not in text
    assert any(name in text for name in ("CONVSCOPE_SERVER", "CONVSCOPE_REDIS_URL", "CONVSCOPE_DATA_DIR"))


def test_where_a_value_comes_from(run: Run) -> None:
    text = output(run("config", "jobs", CONVSCOPE_MAX_STEPS="77", **SECRETS, COLUMNS="250"))
    assert row(text, "CONVSCOPE_MAX_STEPS")[1:3] == ["77", "environment"]
    assert row(text, "CONVSCOPE_PORT")[1:3] == ["50052", "default"]
    assert row(text, "CONVSCOPE_TOKEN")[1:3] == ["(hidden)", "environment"]
    assert row(text, "CONVSCOPE_REDIS_URL")[1:3] == ["(hidden)", "environment"]


def test_without_a_program_it_is_the_clients(run: Run) -> None:
    assert row(output(run("config", COLUMNS="250")), "CONVSCOPE_SERVER")[1:3] == ["cluster:50051", "environment"]


def test_what_is_wrong_is_one_sentence(run: Run) -> None:
    assert "CONVSCOPE_PORT" in assert_one_sentence(run("config", "jobs", CONVSCOPE_PORT="far"))


def test_an_unknown_program_is_said_with_those_there_are(run: Run) -> None:
    result = run("config", "database")
    assert result.returncode == 2
    assert "database" in result.stderr
    assert "worker" in result.stderr
