"""The choice of a learned prior and of dataset examples."""

from typing import Any

import gradio as gr

from convscope.client import AsyncCollection, Model, PriorInfo
from convscope.client.errors import ClientError
from convscope.web.cluster import Cluster
from convscope.web.dream.dream_kinds import DREAM_KINDS
from convscope.web.dream.sources import Choice, collections_of, priors_of, without_prior

NO_COLLECTION: Choice = ("none", "")
NONE_INDEXED = "No collection is indexed for dataset examples yet; the tab Look inside does that."


class SourcesPanel:
    """What it shows depends on the model, the layer and the recipes; what still goes with them stays chosen."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay it out."""
        self._cluster = cluster
        self.prior = gr.Dropdown(label="Learned prior", choices=[], visible=False, elem_id="dream-prior")
        self._without = gr.Markdown(visible=False, elem_id="dream-without-prior")
        self.collection = gr.Dropdown(
            label="Dataset examples from", choices=[NO_COLLECTION], value="", elem_id="dream-examples"
        )
        self._unindexed = gr.Markdown(NONE_INDEXED, visible=False, elem_id="dream-no-examples")
        self.from_best = gr.Checkbox(
            label="Start from the best one", value=False, visible=False, elem_id="dream-from-best"
        )
        self.outputs = [self.prior, self._without, self.collection, self._unindexed]

    def wire(self) -> None:
        """The tick box is of no use without a collection."""
        self.collection.change(
            lambda chosen: gr.update(visible=bool(chosen)), [self.collection], [self.from_best],
            show_progress="hidden", queue=False,
        )  # fmt: skip

    async def fit(
        self,
        name: str | None,
        kind: str,
        coded: bool,
        layer: str | None,
        prior: str | None,
        collection: str | None,
    ) -> Any:
        """What there is for a model. coded: whether a recipe makes pictures of codes. A choice that fits is not given
        anew, so that an answer that comes late undoes nothing."""
        options = DREAM_KINDS[kind].options
        needed = coded and "prior" in options
        try:
            model, priors, collections = await self._known(name, needed)
        except ClientError:
            # The page says elsewhere that nobody answers; what is chosen stays.
            return [gr.skip()] * len(self.outputs)
        fitting = priors_of(model, priors) if model else []
        of_layer = (layer or "") if "unit" in options else None
        indexed = [NO_COLLECTION, *(collections_of(model, of_layer, collections) if model else [])]
        return (
            gr.update(visible=True, choices=fitting, **_kept(prior, fitting, None)) if fitting else _hidden(needed),
            gr.update(visible=bool(needed and model and not fitting), value=without_prior(model.name) if model else ""),
            gr.update(
                visible="examples" in options and bool(indexed[1:]), choices=indexed,
                **_kept(collection, indexed, ""),
            ),
            gr.update(visible="examples" in options and not indexed[1:]),
        )  # fmt: skip

    async def _known(
        self, name: str | None, needed: bool
    ) -> tuple[Model | None, list[PriorInfo], list[AsyncCollection]]:
        """needed: whether priors are."""
        if not name:
            return None, [], []
        client = self._cluster.client
        return await client.model(name), await client.priors() if needed else [], await client.collections()


def _hidden(none: bool) -> Any:
    """A choice of priors that is not needed, or of none: that of another model does not stay."""
    return gr.update(visible=False, choices=[], value=None) if none else gr.update(visible=False)


def _kept(chosen: str | None, offered: list[Choice], nothing: str | None) -> dict[str, Any]:
    names = [name for _, name in offered]
    return {} if chosen in names else {"value": next(iter(names), nothing)}
