"""What users may rely on: the names of the SDK, and a line for each that says what it is for."""

import inspect

import pytest

from convscope import client

PUBLIC = [
    "Activation",
    "Activations",
    "Adversarial",
    "Annotated",
    "Annotation",
    "AnnotationFiles",
    "AnnotationInfo",
    "Answer",
    "Artifact",
    "AsyncClient",
    "AsyncCollection",
    "AsyncCollectionJob",
    "AsyncJob",
    "AttentionEvaluation",
    "Attribution",
    "BrokenFile",
    "Cancelled",
    "Caption",
    "Classes",
    "Classification",
    "Client",
    "ClientError",
    "Collection",
    "CollectionImage",
    "CollectionIndex",
    "CollectionInfo",
    "CollectionJob",
    "CollectionMap",
    "Comparison",
    "DatasetExamples",
    "DeadlineExceeded",
    "Estimate",
    "Evaluation",
    "FailedPrecondition",
    "FailureAnalysis",
    "Filters",
    "Imported",
    "InvalidArgument",
    "Job",
    "JobInfo",
    "Layer",
    "MadePicture",
    "MethodEvaluation",
    "Model",
    "Neighbor",
    "NeighborComparison",
    "Neighbors",
    "NotFound",
    "Patch",
    "Patches",
    "PermissionDenied",
    "Prediction",
    "Preprocessed",
    "Preprocessing",
    "Preview",
    "PriorInfo",
    "Progress",
    "Recipe",
    "Replica",
    "ResourceExhausted",
    "Segmentation",
    "Sentence",
    "SentenceAttribution",
    "ServerFault",
    "StateChange",
    "Synthesis",
    "Tls",
    "TrainedPrior",
    "Unavailable",
    "Unit",
    "Uploaded",
    "Variant",
    "Word",
    "correlated",
]


def test_the_public_names_are_these() -> None:
    assert client.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_says_what_it_is_for(name: str) -> None:
    documentation = inspect.getdoc(getattr(client, name)) or ""
    first_line = documentation.partition("\n")[0]
    assert first_line, f"{name} has no docstring"
    assert not first_line.startswith(f"{name}("), f"{name} has only the docstring that dataclass writes"


@pytest.mark.parametrize(
    ("cls", "count"), [(client.Client, 34), (client.Job, 8), (client.Collection, 20), (client.CollectionJob, 8)]
)
def test_every_method_says_what_it_is_for(cls: type, count: int) -> None:
    methods = [name for name, _ in inspect.getmembers(cls, callable) if not name.startswith("_")]
    assert len(methods) == count
    assert [name for name in methods if not getattr(cls, name).__doc__] == []
