"""No version that is pinned is known to be vulnerable."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import audit as auditing
from tests.deploy.audit import PIP_AUDIT, NobodyAnswers, Report, audit, main, read

installed = pytest.mark.skipif(not PIP_AUDIT.exists(), reason="pip-audit is not installed: make audit does it")


def ask(pinned: Path) -> Report:
    try:
        return audit(pinned)
    except NobodyAnswers as reason:
        pytest.skip(f"no source of known vulnerabilities can be reached: {reason}")


@installed
def test_the_pinned_set() -> None:
    report = ask(auditing.PINNED)
    assert report.checked > 100, "the file was read"
    assert (report.vulnerable, report.unknown) == ((), ())


@installed
def test_a_version_that_is_known_to_be_vulnerable(tmp_path: Path) -> None:
    pinned = tmp_path / "constraints.txt"
    pinned.write_text("jinja2==2.4.1\n")
    assert any(line.startswith("jinja2 2.4.1: ") for line in ask(pinned).vulnerable)


REPORT: dict[str, list[Any]] = {
    "dependencies": [
        {"name": "good", "version": "1", "vulns": []},
        {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3", "4"], "aliases": []}]},
        {"name": "ours", "skip_reason": "it is not there"},
    ],
    "fixes": [],
}


def test_a_report_is_read() -> None:
    report = read("osv", json.dumps(REPORT))
    assert report == Report("osv", 2, ("ours: it is not there",), ("bad 2: CVE-1, mended in 3, 4",))


# What pip-audit does, its exit status, and what is said of it.
CASES = {
    "nobody answers": (
        "echo 'could not connect' >&2; exit 1",
        2,
        "NOT AUDITED: no source of known vulnerabilities can be reached."
        " pypi: could not connect; osv: could not connect",
    ),
    "something is found": (f"echo '{json.dumps(REPORT)}'; exit 1", 1, "vulnerable: bad 2: CVE-1, mended in 3, 4"),
    "nothing is found": (
        """echo '{"dependencies": [{"name": "good", "version": "1", "vulns": []}]}'""",
        0,
        "1 packages checked, 0 vulnerable, says pypi",
    ),
    "nothing is known": (
        """echo '{"dependencies": [{"name": "good", "skip_reason": "not found"}]}'""",
        2,
        "NOT AUDITED: no source of known vulnerabilities can be reached. pypi: it knows none of 1 packages",
    ),
    "not all is known": (
        f"""echo '{json.dumps({"dependencies": [REPORT["dependencies"][0], REPORT["dependencies"][2]]})}'""",
        2,
        "NOT AUDITED: ours: it is not there",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_came_of_it_is_said(
    case: tuple[str, int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in for pip-audit, for what it finds changes by the day."""
    script, status, said = case
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(auditing, "PIP_AUDIT", tool)
    assert main() == status
    assert said in capsys.readouterr().err
