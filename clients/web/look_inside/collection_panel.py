"""The collection of pictures that a network is tried on: which it is, what is known of it, and how to make one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from html import escape
from typing import Any

import gradio as gr

from convscope.client import AsyncCollection, CollectionInfo, Uploaded
from convscope.client.collection_info import in_number
from convscope.client.errors import FailedPrecondition
from convscope.web.cluster import Cluster
from convscope.web.look_inside.job_bar import JobBar
from convscope.web.progress import progress_line
from convscope.web.snippet import snippet

WATCH_SECONDS = 0.25
_BESIDE: Any = {"size": "md", "min_width": 200, "elem_classes": "beside"}


class CollectionPanel:
    """Its components; `chosen` is the name of the collection."""

    def __init__(self, cluster: Cluster) -> None:
        """Lay out the choice."""
        self._cluster = cluster
        self.again = gr.Button("Refresh", size="sm", elem_id="refresh")
        self.chosen = gr.Dropdown(
            label="Collection of pictures", choices=[], buttons=[self.again], min_width=260, elem_id="collection"
        )

    def lay_out_details(self) -> None:
        """What is known of the chosen one, and how to make one."""
        with gr.Row(elem_classes="in-line"):
            self._status = gr.HTML("", elem_id="collection-status", min_width=240)
            self.index_button = gr.Button(
                "Index it", visible=False, variant="primary", size="md", scale=0, min_width=240, elem_id="index"
            )
        self._bar = JobBar(self._cluster, "index")
        with gr.Accordion("Make a collection, or add pictures to one", open=False):
            self.files = gr.File(
                label="Pictures", file_count="multiple", type="filepath", height=160, elem_id="collection-files"
            )
            with gr.Row(equal_height=True):
                self.name = gr.Textbox(label="Name of the new collection", min_width=200, elem_id="collection-name")
                self.create_button = gr.Button("Make a collection of them", **_BESIDE, elem_id="create")
                self.add_button = gr.Button("Add them to the chosen one", **_BESIDE, elem_id="add")
            self._taken = gr.HTML("", elem_id="taken")
            self.code = gr.Code(language="python", label="The same in Python", interactive=False, visible=False)
        self.outputs = [self.chosen, self._status, self.index_button]
        self.uploaded = [self.chosen, self._taken, self.files, self.code]
        self.indexed = [self.code, *self._bar.outputs]

    async def look(self, layer: str | None, model: str | None, chosen: str | None) -> Any:
        """How things stand: which collections there are, and what is known of the chosen one. layer: None: nobody
        looks."""
        if not layer or not model:
            return gr.skip()
        known = await self._cluster.client.collections()
        one = next((one for one in known if one.name == chosen), known[0] if known else None)
        offered = [(_title(other), other.name) for other in known]
        words, lacks = (
            standing(one.info, model, layer) if one else ("No collection yet. Make one of some pictures.", "")
        )
        return (
            gr.update(choices=offered, value=one.name if one else None),
            f'<p role="status">{escape(words)}</p>',
            gr.update(value=lacks, visible=bool(lacks)),
        )

    async def create(self, name: str, files: Sequence[str] | None) -> AsyncGenerator[Any, None]:
        """A new collection of the files."""
        if not name.strip():
            raise FailedPrecondition("give the collection a name")
        made = await self._cluster.client.create_collection(name.strip())
        offered = [(_title(one), one.name) for one in await self._cluster.client.collections()]
        yield gr.update(choices=offered, value=made.name), *[gr.skip()] * 3
        async with aclosing(self._upload(made, files or [])) as lines:
            async for line in lines:
                yield line

    async def add(self, chosen: str | None, files: Sequence[str] | None) -> AsyncGenerator[Any, None]:
        """The files, into the chosen collection."""
        if not chosen:
            raise FailedPrecondition("choose a collection, or make one")
        if not files:
            raise FailedPrecondition("choose the pictures to add")
        async with aclosing(self._upload(await self._cluster.client.collection(chosen), files)) as lines:
            async for line in lines:
                yield line

    async def index(self, layer: str | None, model: str | None, chosen: str | None) -> AsyncGenerator[Any, None]:
        """One pass of the collection through the model, a job that is followed to its end."""
        if not layer or not model or not chosen:
            raise FailedPrecondition("choose a model, a layer and a collection")
        collection = await self._cluster.client.collection(chosen)
        job = await collection.index(model=model, layers=[layer])
        lines = [
            f"photos = client.collection({chosen!r})",
            f"photos.index(model={model!r}, layers={[layer]!r}).result()",
        ]
        yield gr.update(value=snippet(self._cluster.address, lines), visible=True), *[gr.skip()] * 3
        async with aclosing(self._bar.follow(job, f"Indexing {collection.display_name} for {layer}")) as steps:
            async for step in steps:
                yield gr.skip(), *step.bar

    async def _upload(self, collection: AsyncCollection, files: Sequence[str]) -> AsyncGenerator[Any, None]:
        far: list[tuple[int, int]] = []
        work = asyncio.ensure_future(collection.upload(list(files), on_progress=lambda *now: far.append(now)))
        try:
            while not (await asyncio.wait([work], timeout=WATCH_SECONDS))[0]:
                done, total = far[-1] if far else (0, len(files))
                line = progress_line(f"{done} of {in_number(total, 'file')} sent", done, total)
                yield gr.skip(), line, gr.skip(), gr.skip()
            taken = work.result()
        finally:
            work.cancel()
        lines = [f"photos = client.collection({collection.name!r})", 'photos.upload(["folder/", "picture.jpg"])']
        code = gr.update(value=snippet(self._cluster.address, lines), visible=True)
        yield gr.skip(), _taken(taken), None, code


def standing(info: CollectionInfo, model: str, layer: str) -> tuple[str, str]:
    """What is known of a collection, and what its button does about what is not; empty where nothing is amiss."""
    images = in_number(info.image_count, "image")
    if info.jobs:
        return f"{images}. A job is at work on it.", ""
    if not info.image_count:
        return "It has no images yet. Add some.", ""
    of_model = [index for index in info.indexes if index.model == model]
    wanted = f"Index it for {layer}"
    if not of_model:
        return f"{images}, not indexed for {model} yet: there are no patches, neighbours or map.", wanted
    mine = next((index for index in of_model if layer in index.layers), None)
    if mine is None:
        known = ", ".join(dict.fromkeys(name for index in of_model for name in index.layers)) or "no layer"
        return f"{images}, indexed for {known}. For patches of {layer} index that too.", wanted
    if mine.image_count < info.image_count:
        newer = in_number(info.image_count - mine.image_count, "image")
        return f"{images}. The index for {layer} lacks {newer} that came since.", f"Index {newer} more"
    return f"{images}, indexed for {layer} of {model}.", ""


def unindexed(collection: AsyncCollection, model: str, layer: str = "") -> str:
    """What to say where a model or a layer has no index."""
    what = f"{layer} of {model}" if layer else model
    return f"{collection.display_name} is not indexed for {what} yet; the button above does that."


def _title(collection: AsyncCollection) -> str:
    return f"{collection.display_name or collection.name}, {in_number(collection.image_count, 'image')}"


def _taken(taken: Uploaded) -> str:
    broken = "".join(f"<li><b>{escape(one.name)}</b>: {escape(one.message)}</li>" for one in taken.broken)
    more = taken.broken_count - len(taken.broken)
    rest = f"<li>and {more} more</li>" if more else ""
    listed = f"<p>No pictures:</p><ul>{broken}{rest}</ul>" if broken else ""
    return f'<div role="status"><p>{escape(str(taken))}.</p>{listed}</div>'
