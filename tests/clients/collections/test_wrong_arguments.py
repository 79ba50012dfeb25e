"""What is wrong is told before any call."""

from pathlib import Path
from typing import Any

import pytest

from convscope.client import Annotation, InvalidArgument, Variant
from tests.clients.collections.calls import CLIENTS, MODEL
from tests.processes import free_port

HOW: dict[str, Any] = {"model": MODEL, "methods": "grad_cam"}
PRIOR: dict[str, Any] = {"model": MODEL, "layer": "layer3"}
WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("upload", (5,), {}, "pictures"),
    ("upload", ("missing.jpg",), {}, "pictures"),
    ("images", (), {"page_size": "3"}, "page_size"),
    ("image", ("3",), {}, "number"),
    ("image", (True,), {}, "number"),
    ("image", (2**63,), {}, "number"),
    ("import_images", (5,), {}, "url"),
    ("import_images", (Path("/data"),), {}, "url"),
    ("import_images", ("file:///data",), {"priority": "high"}, "priority"),
    ("import_images", ("file:///data",), {"request_id": 7}, "request_id"),
    ("index", (), {"model": None}, "model"),
    ("index", (), {"model": MODEL, "layers": 5}, "layers"),
    ("index", (), {"model": MODEL, "layers": ["layer3", 5]}, "layers[1]"),
    ("index", (), {"model": MODEL, "embedding_layer": 5}, "embedding_layer"),
    ("index", (), {"model": MODEL, "patches_per_channel": 1.5}, "patches_per_channel"),
    ("project", (), {"index": 5}, "index"),
    ("project", (), {"method": "umap"}, "method"),
    ("project", (), {"method": ["tsne"]}, "method"),
    ("project", (), {"perplexity": "30"}, "perplexity"),
    ("project", (), {"perplexity": float("nan")}, "perplexity"),
    ("project", (), {"metric": 2}, "metric"),
    ("project", (), {"seed": 0.5}, "seed"),
    ("project", (), {"onto": 5}, "onto"),
    ("import_shapes", ("segment", 200), {}, "task"),
    ("import_shapes", (None, 200), {}, "task"),
    ("import_shapes", ("vqa", "many"), {}, "count"),
    ("import_shapes", ("vqa", 2**31), {}, "count"),
    ("import_shapes", ("vqa", 200), {"seed": 0.5}, "seed"),
    ("import_shapes", ("vqa", 200), {"priority": "high"}, "priority"),
    ("annotate", (5,), {}, "annotations"),
    ("annotate", ("q",), {}, "annotations[0]"),
    ("annotate", ([Annotation("q", 0), Annotation("r", 1.5)],), {}, "annotations[1].image"),  # type: ignore[arg-type]
    ("upload_attention", (5,), {}, "maps"),
    ("upload_attention", ("missing",), {}, "maps"),
    ("upload_attention", ({"q.png": 5},), {}, "maps[q.png]"),
    ("annotations", (), {"page_size": "3"}, "page_size"),
    ("annotation", (5,), {}, "id"),
    ("evaluate_methods", (), {**HOW, "model": None}, "model"),
    ("evaluate_methods", (), {**HOW, "methods": ()}, "methods"),
    ("evaluate_methods", (), {**HOW, "methods": 5}, "methods"),
    ("evaluate_methods", (), {**HOW, "methods": "smile"}, "methods[0]"),
    ("evaluate_methods", (), {**HOW, "methods": ["gradient", 5]}, "methods[1]"),
    ("evaluate_methods", (), {**HOW, "methods": Variant("grad_cam", target=0)}, "methods[0].target"),
    ("evaluate_methods", (), {**HOW, "methods": ["gradient", Variant("grad_cam", layers="a")]}, "methods[1].layers"),
    ("evaluate_methods", (), {**HOW, "methods": Variant("grad_cam", layer=5)}, "methods[0].layer"),
    ("evaluate_methods", (), {**HOW, "metrics": 5}, "metrics"),
    ("evaluate_methods", (), {**HOW, "metrics": "beauty"}, "metrics[0]"),
    ("evaluate_methods", (), {**HOW, "metrics": ["deletion", "METRIC_INSERTION"]}, "metrics[1]"),
    ("evaluate_methods", (), {**HOW, "metrics": "unspecified"}, "metrics[0]"),
    ("evaluate_methods", (), {**HOW, "limit": 1.5}, "limit"),
    ("evaluate_methods", (), {**HOW, "seed": "7"}, "seed"),
    ("evaluate_methods", (), {**HOW, "tolerance": float("nan")}, "tolerance"),
    ("evaluate_methods", (), {**HOW, "curve_steps": 2**31}, "curve_steps"),
    ("evaluate_methods", (), {**HOW, "samples": True}, "samples"),
    ("evaluate_methods", (), {**HOW, "noise": "little"}, "noise"),
    ("evaluate_methods", (), {**HOW, "radius": float("inf")}, "radius"),
    ("evaluate_methods", (), {**HOW, "stages": 0.5}, "stages"),
    ("evaluate_methods", (), {**HOW, "priority": "high"}, "priority"),
    ("evaluate_methods", (), {**HOW, "request_id": 7}, "request_id"),
    ("evaluate_attention", (), {**HOW, "model": 5}, "model"),
    ("evaluate_attention", (), {**HOW, "methods": None}, "methods"),
    ("evaluate_attention", (), {**HOW, "methods": Variant("smile")}, "methods[0]"),
    ("evaluate_attention", (), {**HOW, "limit": "all"}, "limit"),
    ("evaluate_attention", (), {**HOW, "seed": 2**63}, "seed"),
    ("train_prior", (), {**PRIOR, "model": 5}, "model"),
    ("train_prior", (), {**PRIOR, "layer": 3}, "layer"),
    ("train_prior", (), {**PRIOR, "layer": ["layer3"]}, "layer"),
    ("train_prior", (), {**PRIOR, "preset": 1}, "training.preset"),
    ("train_prior", (), {**PRIOR, "steps": 1.5}, "training.steps"),
    ("train_prior", (), {**PRIOR, "batch": "many"}, "training.batch"),
    ("train_prior", (), {**PRIOR, "rate": "low"}, "training.rate"),
    ("train_prior", (), {**PRIOR, "pixel_weight": float("nan")}, "training.pixel_weight"),
    ("train_prior", (), {**PRIOR, "feature_weight": True}, "training.feature_weight"),
    ("train_prior", (), {**PRIOR, "adversarial_weight": float("inf")}, "training.adversarial_weight"),
    ("train_prior", (), {**PRIOR, "noise": "little"}, "training.noise"),
    ("train_prior", (), {**PRIOR, "seed": 2**63}, "training.seed"),
    ("train_prior", (), {**PRIOR, "priority": "high"}, "priority"),
    ("train_prior", (), {**PRIOR, "preview_seconds": "often"}, "preview_seconds"),
    ("train_prior", (), {**PRIOR, "request_id": 7}, "request_id"),
    ("find_patches", (3, 7), {}, "layer"),
    ("find_patches", ("layer3", "7"), {}, "channel"),
    ("find_patches", ("layer3", 2**31), {}, "channel"),
    ("find_patches", ("layer3", 7), {"k": 1.5}, "k"),
    ("find_patches", ("layer3", 7), {"model": 5}, "model"),
    ("find_patches", ("layer3", 7), {"several_per_image": 1}, "several_per_image"),
    ("find_patches", ("layer3", 7), {"crops": None}, "crops"),
    ("find_neighbors", ("missing.jpg",), {}, "image"),
    ("find_neighbors", (True,), {}, "image"),
    ("find_neighbors", (1.5,), {}, "image"),
    ("find_neighbors", (2**63,), {}, "number"),
    ("find_neighbors", (1,), {"k": None}, "k"),
    ("find_neighbors", (1,), {"space": "colours"}, "space"),
    ("find_neighbors", (1,), {"metric": "l1"}, "metric"),
    ("find_neighbors", (1,), {"embedding_layer": 3}, "embedding_layer"),
    ("find_neighbors", (1,), {"model": 5}, "model"),
    ("find_neighbors", (1,), {"thumbnails": "small"}, "thumbnails"),
    ("compare_neighbors", ("missing.jpg",), {}, "image"),
    ("compare_neighbors", (1,), {"k": "5"}, "k"),
    ("compare_neighbors", (1,), {"metric": None}, "metric"),
]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(("method", "arguments", "how", "field"), WRONG, ids=str)
def test_a_wrong_argument_is_told_before_any_call(
    kind: str, method: str, arguments: tuple[Any, ...], how: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        CLIENTS[kind](f"127.0.0.1:{free_port()}").unasked(method, *arguments, **how)
    assert (caught.value.field, caught.value.status) == (field, "")


@pytest.mark.parametrize(
    ("method", "arguments", "how", "field"),
    [
        ("create_collection", (5,), {}, "display_name"),
        ("create_collection", ("\ud800",), {}, "display_name"),
        ("create_collection", ("photos",), {"request_id": 7}, "request_id"),
        ("collection", (5,), {}, "name"),
        ("collection_job", (5,), {}, "name"),
        ("prior", (5,), {}, "name"),
        ("prior", ("\ud800",), {}, "name"),
        ("train_prior", (5,), PRIOR, "collection"),
        ("train_prior", (None,), PRIOR, "collection"),
        ("train_prior", ("photos",), {**PRIOR, "steps": "many"}, "training.steps"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_wrong_argument_of_a_client_is_told_before_any_call(
    kind: str, method: str, arguments: tuple[Any, ...], how: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        CLIENTS[kind](f"127.0.0.1:{free_port()}").client(method, *arguments, **how)
    assert (caught.value.field, caught.value.status) == (field, "")
