"""The best of some methods by a metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convscope.engine.evaluation.metrics import RANDOM

BETTER = {"high": "high is good", "low": "low is good", "zero": "near 0 is good"}
"""In words."""


@dataclass(frozen=True)
class Best:
    """By the means; of one method alone there is no best."""

    labels: frozenset[str]
    """More than one where they are equal."""
    above_random: bool
    """Whether the random map is worse than they are; true too where it has no value."""


def best_of(report: Mapping[str, Any], metric: Mapping[str, Any]) -> Best:
    """metric: one of the report's."""
    means = {
        one["method"]: _goodness(estimated["mean"], metric["better"])
        for one in report["methods"]
        if (estimated := one["estimates"].get(metric["name"]))
    }
    chance = means.pop(RANDOM, None)
    if len(means) < 2:
        return Best(frozenset(), above_random=True)
    most = max(means.values())
    labels = frozenset(label for label, mean in means.items() if mean == most)
    return Best(labels, above_random=chance is None or most > chance)


def _goodness(mean: float, better: str) -> float:
    match better:
        case "high":
            return mean
        case "low":
            return -mean
        case _:
            return -abs(mean)
