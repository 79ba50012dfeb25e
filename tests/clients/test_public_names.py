"""What users may rely on: the names of the SDK, and a line for each that says what it is for."""

import inspect

import pytest

from convscope import client

PUBLIC = [
    "AsyncClient",
    "Attribution",
    "Cancelled",
    "Classes",
    "Classification",
    "Client",
    "ClientError",
    "Comparison",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FailureAnalysis",
    "InvalidArgument",
    "Layer",
    "Model",
    "NotFound",
    "PermissionDenied",
    "Prediction",
    "Preprocessed",
    "Preprocessing",
    "Replica",
    "ResourceExhausted",
    "Segmentation",
    "ServerFault",
    "Tls",
    "Unavailable",
    "Unit",
    "Variant",
]


def test_the_public_names_are_these() -> None:
    assert client.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_says_what_it_is_for(name: str) -> None:
    documentation = inspect.getdoc(getattr(client, name)) or ""
    first_line = documentation.partition("\n")[0]
    assert first_line, f"{name} has no docstring"
    assert not first_line.startswith(f"{name}("), f"{name} has only the docstring that dataclass writes"


def test_every_method_of_the_client_says_what_it_is_for() -> None:
    methods = [name for name, _ in inspect.getmembers(client.Client, callable) if not name.startswith("_")]
    assert len(methods) == 13
    assert [name for name in methods if not getattr(client.Client, name).__doc__] == []
