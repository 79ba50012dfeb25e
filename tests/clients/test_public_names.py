"""What users may rely on: the names of the SDK, and a line for each that says what it is for."""

import inspect

import pytest

from convscope import client

PUBLIC = [
    "Adversarial",
    "Artifact",
    "AsyncClient",
    "AsyncJob",
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
    "Job",
    "JobInfo",
    "Layer",
    "MadePicture",
    "Model",
    "NotFound",
    "PermissionDenied",
    "Prediction",
    "Preprocessed",
    "Preprocessing",
    "Preview",
    "Progress",
    "Recipe",
    "Replica",
    "ResourceExhausted",
    "Segmentation",
    "ServerFault",
    "StateChange",
    "Synthesis",
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


@pytest.mark.parametrize(("cls", "count"), [(client.Client, 21), (client.Job, 7)])
def test_every_method_says_what_it_is_for(cls: type, count: int) -> None:
    methods = [name for name, _ in inspect.getmembers(cls, callable) if not name.startswith("_")]
    assert len(methods) == count
    assert [name for name in methods if not getattr(cls, name).__doc__] == []
