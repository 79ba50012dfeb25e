"""Every role runs where nothing can be written to but /tmp and the folder of artifacts, as in its container."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.dockerfile import stages
from tests.deploy.roles import ROLES
from tests.processes import free_port, store

ROOT = Path(__file__).parents[2]
# Arguments: a folder that stays writable, the tree of the project, and the program. What is mounted is seen by nobody
# else, and goes with it. A tree that lies in /tmp is carried over into the empty one.
CONFINE = """
set -e
mount --bind "$1" "$1"
for place in / $(awk '$3 ~ /^(ext4|xfs|btrfs|overlay)$/ { print $2 }' /proc/mounts); do
    [ "$place" = "$1" ] || mount -o remount,bind,ro "$place"
done
mount --bind "$2" /mnt
mount -t tmpfs tmpfs /tmp
case "$2" in /tmp/*) mkdir -p "$2"; mount --bind /mnt "$2"; mount -o remount,bind,ro "$2" ;; esac
umount /mnt
cd /tmp
! touch /var/refused 2> /dev/null
shift 2
exec "$@"
"""


def confined(folder: Path, *command: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", CONFINE, "sh", str(folder), str(ROOT), *command]


@pytest.fixture(scope="module")
def _allowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        tried = subprocess.run(
            confined(tmp_path_factory.mktemp("tried"), "true"), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed, which makes a root that is read-only")
    if tried.returncode != 0:
        pytest.skip(f"a root that is read-only cannot be made here: {tried.stderr.strip()}")


@pytest.fixture
def artifacts() -> Iterator[Path]:
    """Outside /tmp, which each program has for itself."""
    folder = Path("/var/tmp") / f"convscope-artifacts-{os.getpid()}"
    folder.mkdir()
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.mark.usefixtures("_allowed")
@pytest.mark.parametrize("name", ROLES)
def test_a_role_needs_to_write_nowhere_else(name: str, artifacts: Path) -> None:
    stage = stages()[name]
    heartbeat = artifacts / "heartbeat"
    with store() as valkey:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CONVSCOPE_")}
        environment |= {key: value for key, value in stage.environment.items() if key != "PATH"}
        environment |= {
            "CONVSCOPE_PORT": str(free_port()),
            "CONVSCOPE_METRICS_PORT": str(free_port()),
            "CONVSCOPE_REDIS_URL": valkey.connection_url,
            "CONVSCOPE_ARTIFACTS_URL": artifacts.as_uri(),
            "CONVSCOPE_MODELS": "efficientnet_lite0",
            "CONVSCOPE_HOST": "127.0.0.1",
            "CONVSCOPE_THREADS": "1",
            "CONVSCOPE_DEVICE": "cpu",
            # Its /tmp is not the one of the probe here.
            "CONVSCOPE_HEARTBEAT_FILE": str(heartbeat),
        }
        process = subprocess.Popen(confined(artifacts, *stage.command()), env=environment)
        try:
            end = time.monotonic() + 90
            while subprocess.run(stage.health_command(), env=environment, check=False, capture_output=True).returncode:
                assert process.poll() is None, "it has ended"
                assert time.monotonic() < end, "it is not healthy"
        finally:
            process.terminate()
            # The page's server hands the signal on once it has ended.
            assert process.wait(60) in (0, -signal.SIGTERM if name == "web" else 0)
