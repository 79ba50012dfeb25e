"""The SDK: ask a convscope cluster which pixels matter.

from convscope.client import Client

with Client.connect("localhost:50051") as client:
    answer = client.attribute("cat.jpg", model="efficientnet_lite0", method="grad_cam", target="tabby")
    answer.overlay().save("why.png")
"""

from convscope.client.async_client import AsyncClient
from convscope.client.channel import Tls
from convscope.client.client import Client
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
from convscope.client.images import Preprocessed
from convscope.client.methods import Variant
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
from convscope.client.targets import Classes, Unit

__all__ = [
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
