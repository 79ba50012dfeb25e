"""What an evaluation has found: one table, and all that is behind it; the dict that report.json is. Needs no torch."""

import math
from collections.abc import Sequence
from typing import Any

from convscope.engine.evaluation.metrics import CURVES, METRICS, RANDOM

MOST_SHOWN = 3
"""Of a method's best pictures, and of its worst."""
Example = dict[str, Any]
"""id, image_number, file_name, target (in words); values: by method, by metric, None where there is none; curves: by
method, by metric, a list."""


def make_report(
    kind: str,
    *,
    model: str,
    collection: str,
    labels: Sequence[str],
    metrics: Sequence[str],
    examples: Sequence[Example],
    source: str | None = None,
    stages: Sequence[str] = (),
) -> dict[str, Any]:
    """Plain JSON.

    kind: evaluate_methods or evaluate_attention. collection: what people call it. labels: the methods, the last of them
    random. metrics: names of METRICS. examples: in their order. source: what attention is compared with, people or
    truth. stages: names of the stages of randomization.
    """
    return {
        "kind": kind,
        "model": model,
        "collection": collection,
        "example_count": len(examples),
        "source": source,
        "metrics": [_described(name) for name in metrics],
        "methods": [_row(label, metrics, examples) for label in labels],
        "curves": {name: _curves(name, labels, examples, stages) for name in CURVES if name in metrics},
        "examples": [{key: value for key, value in example.items() if key != "curves"} for example in examples],
        "shown": {label: _shown(label, metrics, examples) for label in labels if label != RANDOM},
    }


def estimate(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean, standard error (None of fewer than two) and count of those that are there; None where none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    count, mean = len(known), math.fsum(known) / len(known)
    error = None
    if count > 1:
        variance = math.fsum((value - mean) ** 2 for value in known) / (count - 1)
        error = math.sqrt(variance / count)
    return {"mean": mean, "standard_error": error, "count": count}


def _described(name: str) -> dict[str, Any]:
    metric = METRICS[name]
    return {"name": name, "title": metric.title, "better": metric.better, "note": metric.note}


def _row(label: str, metrics: Sequence[str], examples: Sequence[Example]) -> dict[str, Any]:
    found = {name: estimate([_value(example, label, name) for example in examples]) for name in metrics}
    return {"method": label, "estimates": {name: one for name, one in found.items() if one is not None}}


def _curves(name: str, labels: Sequence[str], examples: Sequence[Example], stages: Sequence[str]) -> dict[str, Any]:
    """The mean curve of each method."""
    means: dict[str, list[float | None]] = {}
    for label in labels:
        found = [curve for example in examples if (curve := example["curves"].get(label, {}).get(name))]
        if found:
            means[label] = [_mean(column) for column in zip(*found, strict=True)]
    length = len(next(iter(means.values()), []))
    x = list(stages) if name == "randomization" else [step / max(1, length - 1) for step in range(length)]
    return {"x": x, "methods": means}


def _mean(values: Sequence[float | None]) -> float | None:
    found = estimate(values)
    return None if found is None else found["mean"]


def _shown(label: str, metrics: Sequence[str], examples: Sequence[Example]) -> dict[str, Any]:
    """The examples in which a method is best and worst, by the first metric that it has."""
    for name in metrics:
        known = [
            (value, place) for place, example in enumerate(examples)
            if (value := _value(example, label, name)) is not None
        ]  # fmt: skip
        if known:
            known.sort(key=lambda one: (_goodness(one[0], name), one[1]))
            count = min(MOST_SHOWN, len(known) // 2) or 1
            places = [place for _, place in known]
            return {"by": name, "best": places[:count], "worst": places[::-1][:count] if len(known) > 1 else []}
    return {"by": "", "best": [], "worst": []}


def _goodness(value: float, metric: str) -> float:
    """Less is better."""
    match METRICS[metric].better:
        case "high":
            return -value
        case "low":
            return value
        case _:
            return abs(value)


def _value(example: Example, label: str, metric: str) -> float | None:
    found: float | None = example["values"].get(label, {}).get(metric)
    return found
