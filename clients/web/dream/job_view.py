"""The component that shows jobs: one large, several as a table that fills."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from convscope.client import Recipe
from convscope.client.errors import ClientError, Unavailable
from convscope.client.job_info import JobInfo
from convscope.client.recipes import ADDITIONS
from convscope.web.cluster import Cluster
from convscope.web.data_urls import data_url, jpeg_url, png_url
from convscope.web.dream.job_news import TRAIN_PRIOR, JobNews, job_news, parts_of
from convscope.web.dream.job_titles import job_title
from convscope.web.dream.made_pictures import made_pictures
from convscope.web.dream.prior_words import SAMPLES_TITLE, prior_samples, prior_words
from convscope.web.dream.recipe_sheet import SheetEntry, recipe_sheet
from convscope.web.dream.shown_jobs import LEFT_OUT, MOST_JOBS, ShownJob, shown_jobs
from convscope.web.page_file import page_file
from convscope.web.sentences import sentence

LONGEST_SECONDS, SEVERAL_SECONDS = 5.0, 1.0
"""How long an answer waits for something new of a job, or of one of several."""
MOST_BYTES = 64 << 20
"""Of a file that goes through the page."""
FILES = {
    "values.npy": ("NPY", "The values, float32"),
    "way.gif": ("GIF", "How it came about"),
    "history.json": ("JSON", "Step by step"),
    "chain.png": ("Chain", "Pictures on the way, on one sheet"),
    "examples.png": ("Examples", "The dataset examples beside it, on one sheet"),
    "samples.png": ("Samples", "Held-out pictures and what is made of their codes, on one sheet"),
    "prior.safetensors": ("Prior", "The prior itself"),
}
WAITS_FOR_PRIOR = "Left out: it needs a learned prior, and the model had none."


def job_view(cluster: Cluster, elem_id: str) -> gr.HTML:
    """Its value is what view_value() gives. It looks itself how its jobs stand, as long as somebody sees it."""

    async def look(asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What is new of each job, or why that is not known. All in one answer, for a browser has few connections."""
        seconds = LONGEST_SECONDS if len(asked) == 1 else SEVERAL_SECONDS
        return await asyncio.gather(*(_look(cluster, one, seconds) for one in asked[:MOST_JOBS]))

    async def cancel(name: str) -> dict[str, str]:
        """Ask for a job's end, or say why that fails."""
        try:
            await (await cluster.client.job(str(name))).cancel()
        except ClientError as error:
            return {"fault": sentence(error)}
        return {}

    async def file(asked: Mapping[str, str]) -> dict[str, str]:
        """A file of a job as a URL, or why it is not there."""
        try:
            job = await cluster.client.job(str(asked["job"]))
            record = (await job.info()).artifact(str(asked["file"]))
            if record.size > MOST_BYTES:
                return {"fault": f"{record.name} is too large for a page; the lines of Python below fetch it."}
            return {"url": data_url(await job.download(record.name), record.media_type)}
        except ClientError as error:
            return {"fault": sentence(error)}

    async def sheet(query: str) -> dict[str, str]:
        """All pictures of a table on one, as a URL, or why it is not there."""
        try:
            made = [await _made(cluster, one) for one in shown_jobs(str(query))]
            drawn = await asyncio.to_thread(recipe_sheet, await cluster.client.recipes(), made)
        except ClientError as error:
            return {"fault": sentence(error)}
        return {"url": await asyncio.to_thread(png_url, drawn)}

    return gr.HTML(
        None,
        html_template=page_file("dream/job_view.html"),
        css_template=page_file("dream/job_view.css"),
        js_on_load=page_file("node.js") + page_file("dream/loss_curve.js") + page_file("dream/job_view.js"),
        apply_default_css=False,
        server_functions=[look, cancel, file, sheet],
        elem_id=elem_id,
    )


def view_value(jobs: Sequence[ShownJob]) -> dict[str, Any]:
    """Jobs as the component takes them."""
    return {
        "additions": [one.replace("_", " ").replace("ization", "isation") for one in ADDITIONS],
        "jobs": [{"job": job.name, "recipe": job.recipe} for job in jobs],
    }


async def _made(cluster: Cluster, shown: ShownJob) -> SheetEntry:
    if shown.name == LEFT_OUT:
        return SheetEntry(shown.recipe, "needs a learned prior")
    job = await cluster.client.job(shown.name)
    info = await job.info()
    if info.state != "succeeded":
        return SheetEntry(shown.recipe, info.state)
    made = await job.result(parts=[part for part in parts_of(info) if part in {"images", "examples"}])
    return SheetEntry(made.recipe, made=made)


async def _look(cluster: Cluster, asked: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    recipe = str(asked["recipe"])
    try:
        if asked["job"] == LEFT_OUT:
            about = _about(recipe, "visualization", await cluster.client.recipes())
            return {"state": "left out", "words": WAITS_FOR_PRIOR, "over": True, **about}
        news = await job_news(cluster, str(asked["job"]), int(asked["after"]), seconds)
        recipes = await cluster.client.recipes() if news.result or not asked["after"] else []
    except Unavailable as error:
        return {"fault": sentence(error), "again": True}
    except ClientError as error:
        return {"fault": sentence(error), "over": True}
    return await asyncio.to_thread(_told, news, recipe, recipes)


def _told(news: JobNews, recipe: str, recipes: Sequence[Recipe]) -> dict[str, Any]:
    info = news.info
    told: dict[str, Any] = {
        "kind": job_title(info.kind),
        "model": info.model,
        "state": info.state,
        "step": info.step,
        "total": info.total,
        "after": news.last_event,
        "over": info.over,
        "fault": _why(info) if info.state == "failed" else "",
        "losses": [[step, float(f"{loss:.6g}")] for step, loss in news.losses],
    }
    if news.preview is not None:
        note = f"step {info.step}" + (f": {SAMPLES_TITLE.lower()}" if info.kind == TRAIN_PRIOR else "")
        told["pictures"] = [{"url": jpeg_url(news.preview), "caption": "So far", "note": note}]
    if news.result is not None:
        made = made_pictures(news.result)
        told |= {"pictures": made.pictures, "strips": made.strips, "said": made.said, "words": made.words}
        told["files"] = _files(info, made.name)
        recipe = news.result.recipe
    if news.trained is not None:
        prior = news.trained.prior
        told |= {"pictures": [], "strips": prior_samples(news.trained), "words": prior_words(prior)}
        told |= {"prior": prior.name, "files": _files(info, f"prior-{prior.model}")}
    return told | _about(recipe, "inversion" if info.kind == "invert_features" else "visualization", recipes)


def _about(recipe: str, purpose: str, recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Whose recipe it is, and what it adds; nothing of one that nobody knows."""
    for one in recipes:
        if one.name == recipe and one.purpose == purpose:
            added = [addition in one.additions for addition in ADDITIONS]
            return {"recipe": recipe, "system": one.system, "source": one.source, "added": added}
    return {}


def _why(info: JobInfo) -> str:
    said = info.error or "nobody knows why"
    return f"It failed: {said}{'' if said.endswith('.') else '.'}"


def _files(info: JobInfo, name: str) -> list[dict[str, str]]:
    found = []
    names = [one.name for one in info.artifacts]
    pictures = [one for one in names if one.startswith("image-")]
    for number, one in enumerate(pictures, 1):
        label, save = (f"PNG {number}", f"{name}-{number}.png") if len(pictures) > 1 else ("PNG", f"{name}.png")
        found.append({"file": one, "label": label, "title": "The picture", "save": save})
    for one, (label, title) in FILES.items():
        if one in names:
            # What is no picture of what was made says so in its name.
            part, _, ending = one.rpartition(".")
            save = f"{name}-{part}.png" if ending == "png" else f"{name}.{ending}"
            found.append({"file": one, "label": label, "title": title, "save": save})
    return found
