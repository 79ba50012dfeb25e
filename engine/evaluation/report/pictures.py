"""The pictures of a report in which a method is best and worst, as HTML."""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from io import BytesIO
from typing import Any

from PIL import Image

from convscope.engine.evaluation.report.best import BETTER
from convscope.engine.evaluation.report.numerals import numeral
from convscope.engine.evaluation.report.table import breakable

SMALL = 128
"""Pixels: smaller pictures are shown with their pixels to be seen."""

Picture = Callable[[int, str], bytes]
"""A JPEG for an example's number and a method's label; without a label, of the picture alone."""


def report_pictures(report: Mapping[str, Any], picture: Picture) -> str:
    """For each method those that the report names; nothing of one that has no value."""
    plain = cache(lambda place: picture(place, ""))
    metrics = {metric["name"]: metric for metric in report["metrics"]}
    parts = []
    for label, shown in report["shown"].items():
        if not shown["best"]:
            continue
        metric = metrics[shown["by"]]
        by = f"By {escape(metric['title'])}, {BETTER[metric['better']]}."
        rows = "".join(
            _row(title, shown[which], report["examples"], label=label, by=shown["by"], plain=plain, picture=picture)
            for which, title in (("best", "Best"), ("worst", "Worst"))
            if shown[which]
        )
        parts.append(f'<section class="method"><h3>{breakable(label)}</h3><p class="note">{by}</p>{rows}</section>')
    return "".join(parts)


def _row(
    title: str,
    places: Sequence[int],
    examples: Sequence[Mapping[str, Any]],
    *,
    label: str,
    by: str,
    plain: Callable[[int], bytes],
    picture: Picture,
) -> str:
    items = []
    for place in places:
        example = examples[place]
        name, target = example["file_name"], example["target"]
        value = numeral(example["values"].get(label, {}).get(by))
        pair = _image(plain(place), f"{name}, the picture") + _image(picture(place, label), f"{name}, seen by {label}")
        caption = f"<b>{escape(target)}</b> <span>{value}</span><small>{escape(name)}</small>"
        items.append(f'<li><figure><div class="pair">{pair}</div><figcaption>{caption}</figcaption></figure></li>')
    return f'<h4>{title}</h4><ul class="pictures">{"".join(items)}</ul>'


def _image(jpeg: bytes, said: str) -> str:
    with Image.open(BytesIO(jpeg)) as opened:
        width, height = opened.size
    look = ' class="small"' if max(width, height) <= SMALL else ""
    data = base64.b64encode(jpeg).decode()
    return (
        f'<img{look} width="{width}" height="{height}" alt="{escape(said)}" loading="lazy"'
        f' src="data:image/jpeg;base64,{data}">'
    )
