"""What goes with a model besides itself: its learned priors, and collections with an index of it."""

from collections.abc import Iterable

from convscope.client import AsyncCollection, Model, PriorInfo
from convscope.client.collection_info import in_number

Choice = tuple[str, str]
"""What is read, and the name that it stands for."""


def priors_of(model: Model, priors: Iterable[PriorInfo]) -> list[Choice]:
    """Those of this very model, in their order."""
    return [(_title(one), one.name) for one in priors if _same(model, one.model, one.weights_digest)]


def collections_of(model: Model, layer: str | None, collections: Iterable[AsyncCollection]) -> list[Choice]:
    """Those that have an index of this very model. layer: that is in it as well; None: any."""
    return [
        (f"{one.display_name or one.name}, {in_number(one.image_count, 'image')}", one.name)
        for one in collections
        if any(
            _same(model, index.model, index.weights_digest) and (layer is None or layer in index.layers)
            for index in one.indexes
        )
    ]


def without_prior(model: str) -> str:
    """What to say where there is none."""
    return (
        f"{model} has no learned prior yet. Train one on a collection of pictures: "
        f"`convscope prior train COLLECTION -m {model} --layer LAYER`"
    )


def _same(model: Model, name: str, digest: str) -> bool:
    # Of a model that nobody has loaded nobody knows the weights.
    return model.name == name and model.weights_digest in ("", digest)


def _title(prior: PriorInfo) -> str:
    """Short: there is little room."""
    return f"{prior.layer}, {f'{prior.created.astimezone():%d %b %H:%M}' if prior.created else 'as it ships'}"
