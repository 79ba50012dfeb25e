"""The committed stubs are those of the contract, and the contract keeps buf's rules."""

import re
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / ".venv" / "protos" / "bin" / "python"
BUF = ROOT / ".venv" / "bin" / "buf"
STUBS = Path("convscope", "v1")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fresh stubs and descriptors."""
    if not GENERATOR.exists():
        pytest.skip("the generator's environment .venv/protos is missing; `make .venv/protos/ready` makes it")
    folder = tmp_path_factory.mktemp("protos")
    finished = subprocess.run(
        [GENERATOR, ROOT / "protos" / "generate.py", folder], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return folder


def stubs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / STUBS).glob("*_pb2*") if path.is_file()}


def test_generation_changes_nothing(generated: Path) -> None:
    fresh, committed = stubs(generated), stubs(ROOT / "protos")
    assert len(fresh) >= 10
    assert sorted(fresh) == sorted(committed)
    changed = [name for name in fresh if fresh[name] != committed[name]]
    assert not changed, f"`make protos` would change {', '.join(changed)}"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUF, "lint", folder / "contract.binpb", "--config", ROOT / "protos" / "buf.yaml", "--path", "convscope"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_buf_finds_nothing_to_say_about_the_contract(generated: Path) -> None:
    finished = lint(generated)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_message_field_and_call_has_a_comment(generated: Path, tmp_path: Path) -> None:
    # The rule for it is one of buf's: what is checked here is that buf sees the comments, and would miss them.
    contract = FileDescriptorSet.FromString((generated / "contract.binpb").read_bytes())
    for file in contract.file:
        for location in file.source_code_info.location:
            location.ClearField("leading_comments")
    (tmp_path / "contract.binpb").write_bytes(contract.SerializeToString())
    missed = lint(tmp_path).stdout
    for kind in ("Service", "RPC", "Message", "Field", "Enum", "Enum value", "Oneof"):
        assert re.search(f'^convscope/.*{kind} "\\w+" should have a non-empty comment', missed, re.MULTILINE), kind
