"""What mostly stands in a request, so that it gets past the first checks and to the code behind them."""

import base64
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from convscope.engine.attribution.methods import METHODS
from convscope.engine.imaging.colormap import COLORMAPS
from convscope.engine.synthesis.recipes import INVERSIONS, RECIPES
from convscope.services.common.jobs.kinds import KINDS
from convscope.v1.collection_service_pb2 import ListCollectionsRequest, ListCollectionsResponse
from convscope.v1.job_service_pb2 import ListJobsRequest, ListJobsResponse
from tests.fuzz.cluster import Cluster
from tests.fuzz.index import INDEXED, PATCHES
from tests.fuzz.messages import Hints
from tests.fuzz.network import LABELS
from tests.fuzz.tensors import images, tensors
from tests.fuzz.values import TEXTS, floats, integers, mostly, texts
from tests.fuzz.wire import damaged

SMALL_LAYERS = ("features", "features.0", "features.1", "features.3", "classifier", "features.0", "features.3")
LAYERS = (*SMALL_LAYERS, "blocks.0", "blocks.1.attention", "patches")


def hints(cluster: Cluster) -> Hints:
    """For messages of every service."""
    models = texts("models/small", "models/small", "models/small", "small", "models/attentive")
    small = integers(-(2**31), 2**31 - 1)
    # Costly ones stay small, or are so large that they are refused.
    counts = mostly(st.integers(1, 3), st.sampled_from([0, -1, 2**31 - 1]))
    scratch = texts(cluster.scratch)
    return {
        "convscope.v1.Image": images(),
        "convscope.v1.Tensor": tensors(),
        "model": models,
        "states": mostly(st.sampled_from([1, 2, 3, 4, 5]), st.sampled_from([0, 77, -1])),
        "GetModelRequest.name": models,
        # Nobody unloads what the others are asked about.
        "LoadModelRequest.name": texts("models/spare"),
        "UnloadModelRequest.name": texts("models/spare"),
        "layer": texts(*LAYERS),
        "layers": texts(*LAYERS),
        "embedding_layer": texts("", *LAYERS),
        "class_index": mostly(st.integers(0, 5), small),
        "index": mostly(st.integers(0, 5), small),
        "class_label": texts(*LABELS),
        "label": texts(*LABELS),
        "channel": mostly(st.integers(0, 7), small),
        "channels": mostly(st.integers(0, 7), small),
        "outputs": mostly(st.integers(0, 7), small),
        "inputs": mostly(st.integers(0, 3), small),
        "row": mostly(st.integers(0, 8), small),
        "column": mostly(st.integers(0, 8), small),
        "steps": counts,
        "samples": counts,
        "masks": counts,
        "iterations": counts,
        "restarts": counts,
        "octaves": counts,
        "window": mostly(st.integers(1, 33), small),
        "stride": mostly(st.integers(4, 33), small),
        "top_k": mostly(st.integers(0, 6), small),
        "k": mostly(st.integers(1, PATCHES), small),
        "limit": mostly(st.integers(0, 8), small),
        "opacity": mostly(st.floats(0, 1), floats()),
        "colormap": texts("", *COLORMAPS),
        "base_method": texts(*METHODS),
        "map": texts("saliency", "grad_cam"),
        "fill": texts("zero", "grey", "mean", "blur"),
        "fill_color": mostly(st.floats(0, 1), floats()),
        "recipe": texts("", *RECIPES),
        "InvertFeaturesRequest.recipe": texts("", *INVERSIONS),
        "FindPatchesRequest.layer": texts(*INDEXED),
        "FindNeighborsRequest.embedding_layer": texts(""),
        "number": mostly(st.integers(0, 5), integers(-(2**63), 2**63 - 1)),
        "GetFiltersRequest.layer": texts("features.0", "features.0", "features.3", "classifier"),
        "InvertFeaturesRequest.layers": texts(*SMALL_LAYERS),
        "Unit.layer": texts(*SMALL_LAYERS),
        "data_type": mostly(st.sampled_from([0, 1, 2]), st.sampled_from([3, 77, -1])),
        "Tensor.data_type": st.sampled_from([0, 1, 2, 3, 77]),
        "copies": mostly(st.integers(1, 3), small),
        "parameterization": texts("pixels", "fourier", "cppn", "code"),
        "optimizer": texts("gradient_ascent", "adam", "lbfgs", "evolution", "langevin"),
        "denoiser": texts("joint", "autoencoder"),
        "prior": texts("", "priors/shapes_classifier", f"priors/{cluster.job.removeprefix('jobs/')}"),
        "GetPriorRequest.name": mostly(st.just("priors/shapes_classifier"), names()),
        "preset": texts("", "tiny", "standard"),
        "normalization": texts("none", "norm", "mean_abs", "progress"),
        "Grid.normalization": mostly(st.sampled_from([0, 1, 2]), st.sampled_from([77, -1])),
        "output": texts("score", "log_probability", "probability"),
        "Target.output": mostly(st.sampled_from([0, 1, 2, 3]), st.sampled_from([77, -1])),
        "attack": texts("ascent", "fgsm", "pgd", "deepfool"),
        "norm": texts("linf", "l2"),
        "metric": texts("", "euclidean", "cosine"),
        "FindNeighborsRequest.metric": st.sampled_from([0, 1, 2, 3, 77]),
        "kinds": texts(*KINDS),
        "name": mostly(st.sampled_from([cluster.job]), names()),
        "DownloadArtifactRequest.name": texts(f"{cluster.job}/artifacts/image-0.png") | names(),
        "GetCollectionRequest.name": mostly(st.sampled_from([cluster.collection]), names()),
        "ListOperationsRequest.name": texts("", "jobs", "operations"),
        "filter": texts(""),
        # What is here is needed until the end.
        "DeleteCollectionRequest.name": names(),
        "DeleteOperationRequest.name": names(),
        "CancelOperationRequest.name": mostly(st.sampled_from([cluster.job]), names()),
        "collection": mostly(st.sampled_from([cluster.collection]), names()),
        "UploadImagesRequest.collection": scratch,
        "UploadAnnotationsRequest.collection": scratch,
        "NewAnnotation.id": texts("a", "b.c", "d_1", ""),
        "NewAnnotation.file_name": texts("a"),
        "NewAttentionMap.file_name": texts(
            "a.png", "a_1.png", "d_1.png", "d_1_2.png", "_.png", ".png", "a_9999999999.png"
        ),
        "image_number": mostly(st.integers(0, 5), small),
        "mask": images().map(lambda image: image.encoded or image.pixels.data),
        "ImportImagesRequest.collection": scratch,
        "ShapesSource.count": counts,
        "EvaluateMethodsRequest.collection": scratch,
        "EvaluateMethodsRequest.metrics": mostly(st.sampled_from(range(1, 11)), st.sampled_from([0, 77, -1])),
        "EvaluateAttentionRequest.collection": scratch,
        "IndexCollectionRequest.collection": scratch,
        "ProjectCollectionRequest.collection": texts(cluster.collection),
        "ProjectCollectionRequest.index": texts("", "abc"),
        "onto": texts("", cluster.job),
        "url": texts("file:///tmp", "s3://bucket/folder", "file://[::1", "file:///../..", "FILE:///tmp", "::://"),
        "request_id": texts(""),
        "page_size": mostly(st.integers(0, 5), small),
        "page_token": page_tokens(cluster),
        "content": images().map(lambda image: image.encoded or image.pixels.data),
        "perplexity": mostly(st.floats(1, 33), floats()),
    }


def names() -> st.SearchStrategy[str]:
    """Resource names, of which none is there."""
    odd = st.sampled_from(
        ["", "jobs/", "jobs//", "jobs/../x", "collections/\0", "jobs/é", "jobs/" + "a" * 65, "jobs/a\n"]
    )
    kind = st.sampled_from(["jobs/", "collections/", "models/", "operations/", ""])
    return odd | st.tuples(kind, st.text("ab0-", max_size=5) | st.sampled_from(TEXTS)).map("".join)


def page_tokens(cluster: Cluster) -> st.SearchStrategy[str]:
    """None, those that the servers gave, those with something in them exchanged, and no tokens at all."""
    given = _tokens(cluster)
    return st.one_of(
        st.just(""),
        st.sampled_from(given),
        st.sampled_from(given).flatmap(lambda token: damaged(token.encode())).map(lambda data: data.decode("latin-1")),
        _exchanged(given),
        st.sampled_from(
            [_token(text) for text in ("[" * 5000, "9" * 5000, "1e999", "null", "{}", "0", "-1", "9" * 15)]
        ),
        (st.text(max_size=20) | st.sampled_from(TEXTS)).map(_token),
        st.text(max_size=20),
        st.sampled_from(TEXTS),
    )


@st.composite
def _exchanged(draw: Callable[..., Any], given: list[str]) -> str:
    """A token whose parts are others: the list then begins somewhere else, or the token is refused."""
    parts = json.loads(base64.urlsafe_b64decode(draw(st.sampled_from(given))))
    odd: st.SearchStrategy[Any] = st.one_of(
        st.sampled_from([-1, 0, 2**63, 10**400, -1e308, "", "\ud800", "x" * 5000, None, True, [], {}, "1e5"]),
        st.floats(allow_nan=True),
        st.text(max_size=5),
    )
    for place in draw(st.lists(st.integers(0, len(parts) - 1), min_size=1, max_size=2)):
        parts[place] = draw(odd)
    return _token(json.dumps(parts))


def _tokens(cluster: Cluster) -> list[str]:
    """Of lists that have a second page."""
    jobs = cluster.jobs.ask("ListJobs", ListJobsRequest(page_size=1))
    collections = cluster.jobs.ask("ListCollections", ListCollectionsRequest(page_size=1))
    found = [ListJobsResponse.FromString(jobs).next_page_token]
    found.append(ListCollectionsResponse.FromString(collections).next_page_token)
    assert all(found), "each list must have two pages"
    return found


def _token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode(errors="replace")).decode()
