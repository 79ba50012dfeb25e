"""Any file of models, or of callers, is read or refused with the one error that says so."""

from pathlib import Path

import pytest
from hypothesis import given

from convscope.engine.errors import CatalogueError
from convscope.engine.models.catalogue import Catalogue
from convscope.services.common.access.caller import Callers
from tests.fuzz.documents import documents
from tests.fuzz.effort import inputs
from tests.fuzz.tally import TALLY

MODEL = {
    "name": '"smallNUMBER"',
    "source": '"factory"',
    "network": '"tests.fuzz.network:small"',
}
ODD_MODEL = {
    "name": ('"a.b-c_d"', '"A"', '""'),
    "source": ('"torchvision"', '"efficientnet_lite"', '"nowhere"'),
    # What is named is imported, so that it is nothing that does something.
    "network": ('"resnet18"', '"lite0"', '"os:path"', '"nowhere:x"', '":"', '"tests.fuzz.network:SIZE"'),
    "weights": ('""', '"DEFAULT"', '"x.pt"', f'"{"x" * 300}.pt"', '"../x.safetensors"', '"\\u0000.pt"'),
    "weights_sha256": ('""', f'"{"0" * 64}"'),
    "seed": ("0", "-1", "9223372036854775808", "1" + "0" * 30),
    "arguments": ("{}", "{ a = 1 }"),
    "labels": ('""', '["a", "b"]', '"labels.txt"', f'"{"x" * 300}"', '"\\u0000"', '"."'),
    "preprocessing": ("{}", "{ height = 32 }", "{ mean = [0.0, 0.0, 0.0] }"),
    "layer": ('""', '"features.0"'),
    "description": ('""', '"a network"'),
}
CALLER = {"name": '"team-NUMBER"', "token_sha256": f'"NUMBER{"0" * 63}"'}
ODD_CALLER = {
    "name": ('"team-0"', '"é"', '""'),
    "token_sha256": (f'"{"1" * 64}"', f'"{"A" * 64}"'),
    "next_token_sha256": (f'"{"2" * 64}"', f'"0{"0" * 63}"'),
    "administrator": ("true", "false"),
    "calls_per_second": ("0", "1.5", "5e-324", "1e308", "-1"),
    "queued_jobs": ("1", "0", "9223372036854775807"),
    "steps_per_day": ("1", "100000000000000000000"),
}


@pytest.fixture(scope="package")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents") / "file.toml"


@inputs(few=400, share=0.06)
@given(document=documents("models", MODEL, ODD_MODEL, ("include_built_in = true", "include_built_in = 1")))
def test_a_catalogue_is_read_or_refused(document: bytes, file: Path) -> None:
    file.write_bytes(document)
    with TALLY.counted("catalogue files"):
        try:
            catalogue = Catalogue.read(file)
        except CatalogueError:
            TALLY.note("catalogue files", "refused")
        else:
            assert all(catalogue[name].describe() for name in catalogue)
            TALLY.note("catalogue files", "read")


@inputs(few=300, share=0.04)
@given(document=documents("callers", CALLER, ODD_CALLER, ("callers = []",)))
def test_a_file_of_callers_is_read_or_refused(document: bytes, file: Path) -> None:
    file.write_bytes(document)
    with TALLY.counted("callers files"):
        try:
            callers = Callers.read(file)
        except OSError:
            TALLY.note("callers files", "refused")
        else:
            assert callers.of_token("nobody has it") is None
            TALLY.note("callers files", "read")
