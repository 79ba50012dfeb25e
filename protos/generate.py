"""Generate the Python stubs of the contract.

    python protos/generate.py OUT        stubs into OUT (default: protos/, where they are committed)

Runs in the environment that the Makefile makes from protos/requirements.txt: gencode of protobuf
5.29 also runs on 6 and 7, so that the SDK forces no new protobuf on its users.
"""

import sys
import tempfile
from pathlib import Path

import grpc_tools
from google import rpc
from grpc_tools import protoc

PROTOS = Path(__file__).parent
FILES = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("convscope/v1/*.proto"))
GOOGLE_RPC = Path(next(iter(rpc.__path__))).parents[1]
GOOGLE_PROTOBUF = Path(grpc_tools.__file__).parent / "_proto"
INCLUDE = [f"-I{folder}" for folder in (PROTOS, GOOGLE_RPC, GOOGLE_PROTOBUF)]


def run(*arguments: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # googleapis-common-protos ships operations.proto under a name that its own descriptors do not have.
        operations = Path(folder) / "google" / "longrunning" / "operations.proto"
        operations.parent.mkdir(parents=True)
        operations.write_bytes((GOOGLE_RPC / "google" / "longrunning" / "operations_proto.proto").read_bytes())
        if protoc.main(["protoc", f"-I{folder}", *INCLUDE, *arguments]) != 0:
            sys.exit(1)


def generate(out: Path) -> None:
    """Write the stubs, and contract.binpb, the descriptors with comments that buf reads."""
    services = [name for name in FILES if name.endswith("_service.proto")]
    plugin = f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}"
    run(f"--python_out={out}", f"--pyi_out={out}", *FILES)
    run(plugin, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *services)
    run("--include_imports", "--include_source_info", f"-o{out / 'contract.binpb'}", *FILES)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTOS)
