"""The SDK: ask a convscope cluster which pixels matter, and what a class looks like.

from convscope.client import Client

with Client.connect("localhost:50051") as client:
    answer = client.attribute("cat.jpg", model="efficientnet_lite0", method="grad_cam", target="tabby")
    answer.overlay().save("why.png")
    job = client.visualize_class(model="efficientnet_lite0", target="tabby")
    for event in job.watch():
        print(event)
    job.result().save("tabby.png")
"""

from convscope.client.adversarial import Adversarial
from convscope.client.annotations import Annotation, AnnotationFiles, AnnotationInfo
from convscope.client.async_client import AsyncClient
from convscope.client.async_collection import AsyncCollection
from convscope.client.async_jobs import AsyncCollectionJob, AsyncJob
from convscope.client.channel import Tls
from convscope.client.client import Client
from convscope.client.collection import Collection
from convscope.client.collection_info import BrokenFile, CollectionImage, CollectionIndex, CollectionInfo
from convscope.client.collection_map import CollectionMap
from convscope.client.correlation import correlated
from convscope.client.dataset_examples import DatasetExamples
from convscope.client.errors import (
    Cancelled,
    ClientError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServerFault,
    Unavailable,
)
from convscope.client.evaluation import AttentionEvaluation, Estimate, Evaluation, MethodEvaluation
from convscope.client.images import Preprocessed
from convscope.client.inspection import Activation, Activations, Filters
from convscope.client.job_events import Preview, Progress, StateChange
from convscope.client.job_info import Artifact, JobInfo
from convscope.client.jobs import CollectionJob, Job
from convscope.client.made_picture import MadePicture
from convscope.client.methods import Variant
from convscope.client.neighbors import Neighbor, NeighborComparison, Neighbors
from convscope.client.patches import Patch, Patches
from convscope.client.prior import PriorInfo, TrainedPrior
from convscope.client.recipes import Recipe
from convscope.client.results import (
    Attribution,
    Classification,
    Comparison,
    FailureAnalysis,
    Layer,
    Model,
    Prediction,
    Preprocessing,
    Replica,
    Segmentation,
)
from convscope.client.sentences import Sentence, SentenceAttribution
from convscope.client.synthesis import Synthesis
from convscope.client.taken import Annotated, Imported, Uploaded
from convscope.client.targets import Answer, Caption, Classes, Unit, Word

__all__ = [
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
