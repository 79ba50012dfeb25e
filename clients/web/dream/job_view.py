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
from convscope.web.dream.job_news import JobNews, job_news
from convscope.web.dream.job_titles import job_title
from convscope.web.dream.made_pictures import made_pictures
from convscope.web.dream.recipe_sheet import recipe_sheet
from convscope.web.dream.shown_jobs import MOST_JOBS, ShownJob, shown_jobs
from convscope.web.page_file import page_file
from convscope.web.sentences import sentence

LONGEST_SECONDS, SEVERAL_SECONDS = 5.0, 1.0
"""How long an answer waits for something new of a job, or of one of several."""
MOST_BYTES = 64 << 20
"""Of a file that goes through the page."""
FILES = {"values.npy": "NPY", "way.gif": "GIF", "history.json": "JSON"}
TITLES = {"values.npy": "The values, float32", "way.gif": "How it came about", "history.json": "Step by step"}


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
            jobs = [await cluster.client.job(one.name) for one in shown_jobs(str(query))]
            done = [job for job in jobs if await job.state == "succeeded"]
            made = [await job.result(parts=["images"]) for job in done]
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


async def _look(cluster: Cluster, asked: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    try:
        news = await job_news(cluster, str(asked["job"]), int(asked["after"]), seconds)
        recipes = await cluster.client.recipes() if news.result or not asked["after"] else []
    except Unavailable as error:
        return {"fault": sentence(error), "again": True}
    except ClientError as error:
        return {"fault": sentence(error), "over": True}
    return await asyncio.to_thread(_told, news, str(asked["recipe"]), recipes)


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
        told["pictures"] = [{"url": jpeg_url(news.preview), "caption": "So far", "note": f"step {info.step}"}]
    if news.result is not None:
        made = made_pictures(news.result)
        told |= {"pictures": made.pictures, "said": made.said, "words": made.words, "files": _files(info, made.name)}
        recipe = news.result.recipe
    purpose = "inversion" if info.kind == "invert_features" else "visualization"
    for one in recipes:
        if one.name == recipe and one.purpose == purpose:
            added = [addition in one.additions for addition in ADDITIONS]
            told |= {"recipe": recipe, "system": one.system, "source": one.source, "added": added}
    return told


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
    for one, label in FILES.items():
        if one in names:
            save = f"{name}.{one.rpartition('.')[2]}"
            found.append({"file": one, "label": label, "title": TITLES[one], "save": save})
    return found
