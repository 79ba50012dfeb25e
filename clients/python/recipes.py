"""The papers' ways of making pictures, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ADDITIONS = ("frequency_penalization", "transformation_robustness", "learned_prior", "dataset_examples")
"""What a recipe may add to bare ascent: the columns of Olah et al. 2017, "The Spectrum of Regularization"."""


@dataclass(frozen=True)
class Recipe:
    """A paper's way of making pictures, as values of all parameters."""

    name: str
    """For example simonyan2013: what the calls take as `recipe`."""
    purpose: str
    """visualization, of visualize_class and visualize_channel; or inversion, of invert_features."""
    system: str
    """Authors and year."""
    source: str
    """Title of the paper or post."""
    summary: str
    """What it does, in a sentence."""
    additions: tuple[str, ...]
    """What it adds to bare ascent, of ADDITIONS; none: it is not regularized."""
    parameters: Mapping[str, Any] = field(repr=False, hash=False)
    """All that it sets, as the calls take it: client.visualize_class(..., **recipe.parameters)."""
