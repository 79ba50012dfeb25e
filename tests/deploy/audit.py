"""python -m tests.deploy.audit: whether a version that constraints.txt pins is known to be vulnerable.

Exit status 0: none is. 1: some are, a line each. 2: nobody could be asked, of all or of some, and why.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Not from roles.py, which imports all programs.
ROOT = Path(__file__).parents[2]
PIP_AUDIT = ROOT / ".venv" / "audit" / "bin" / "pip-audit"
PINNED = ROOT / "constraints.txt"
# Whom pip-audit can ask, in this order.
SOURCES = ("pypi", "osv")
SECONDS = 300


class NobodyAnswers(Exception):
    """No source of what is known to be vulnerable could be asked; the message has each one's reason."""


@dataclass(frozen=True)
class Report:
    """What a source knows."""

    source: str
    checked: int
    """Packages that it knows."""
    unknown: tuple[str, ...]
    """Those that it does not, and why."""
    vulnerable: tuple[str, ...]
    """A line each: package, version, what it is called, and where it is mended."""


def audit(pinned: Path = PINNED) -> Report:
    """Of the first source that answers. Raises NobodyAnswers."""
    reasons = []
    for source in SOURCES:
        command = [str(PIP_AUDIT), "--requirement", str(pinned), "--no-deps", "--disable-pip"]
        command += ["--vulnerability-service", source, "--format", "json", "--progress-spinner", "off"]
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            reasons.append(f"{source}: no answer within {SECONDS} s")
            continue
        # It also ends with 1 where it has found something.
        if made.stdout.startswith("{"):
            report = read(source, made.stdout)
            # A registry's mirror answers that it knows nothing of any package, which is no news of its faults.
            if report.checked:
                return report
            reasons.append(f"{source}: it knows none of {len(report.unknown)} packages ({report.unknown[0]})")
            continue
        reasons.append(f"{source}: {(made.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    raise NobodyAnswers("; ".join(reasons))


def read(source: str, text: str) -> Report:
    """pip-audit's JSON."""
    packages = json.loads(text)["dependencies"]
    known = [package for package in packages if "skip_reason" not in package]
    vulnerable = [
        f"{package['name']} {package['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'none'}"
        for package in known
        for fault in package["vulns"]
    ]
    unknown = [f"{package['name']}: {package['skip_reason']}" for package in packages if "skip_reason" in package]
    return Report(source, len(known), tuple(unknown), tuple(vulnerable))


def main() -> int:
    try:
        report = audit()
    except NobodyAnswers as reason:
        sys.stderr.write(f"NOT AUDITED: no source of known vulnerabilities can be reached. {reason}\n")
        return 2
    for line in report.unknown:
        sys.stderr.write(f"NOT AUDITED: {line}\n")
    for line in report.vulnerable:
        sys.stderr.write(f"vulnerable: {line}\n")
    sys.stderr.write(f"{report.checked} packages checked, {len(report.vulnerable)} vulnerable, says {report.source}\n")
    return 1 if report.vulnerable else 2 if report.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
