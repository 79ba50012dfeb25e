"""Attributions as the viewer takes them."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from convscope.client import Attribution
from convscope.engine.imaging.overlay import Shades, shades
from convscope.web.data_urls import jpeg_url, npy_url
from convscope.web.explain.method_titles import TITLES

SIDE = 1024
"""The longer side of the picture that is drawn on, pixels; a larger one is scaled down."""


def figures(answers: Sequence[Attribution], *, titles: Sequence[str] = (), roles: Sequence[str] = ()) -> dict[str, Any]:
    """One picture with some explanations of it. titles: where they are not those of the methods. roles: said before
    what was explained. Both one for each, or none."""
    picture = answers[0].picture
    assert picture is not None, "the page sends pictures only"
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    return {
        "picture": jpeg_url(small),
        "width": small.width,
        "height": small.height,
        "figures": [
            _figure(answer, name or TITLES[answer.method], role, small, small.width / picture.width)
            for answer, name, role in zip(
                answers, titles or [""] * len(answers), roles or [""] * len(answers), strict=True
            )
        ],
    }


def _figure(answer: Attribution, name: str, role: str, picture: Image.Image, scale: float) -> dict[str, Any]:
    values = np.asarray(answer.values)
    nothing = "" if values.any() else "zero everywhere"
    notes = [answer.layer, nothing, answer.segmentation.note if answer.segmentation else ""]
    found = {
        "method": name,
        "target": f"{role}: {answer}" if role else str(answer),
        "note": ", ".join(filter(None, notes)),
        "name": f"{name}-{answer.target_name}".replace(" ", "_").replace("/", "_"),
        "values": npy_url(values),
        "shape": " x ".join(map(str, values.shape)),
        "region": [side * scale for side in answer.region],
    }
    if answer.segmentation is not None:
        return found | {"drawn": jpeg_url(answer.overlay(picture=picture))}
    shown = shades(answer.heatmap)
    return found | {"shades": _planes(shown), "size": shown.levels.shape, "diverging": shown.diverging}


def _planes(shown: Shades) -> str:
    """For each pixel its place in the colour map and its strength, a byte each; in base64."""
    planes = np.stack([shown.levels, shown.strength], axis=2)
    return base64.b64encode((255 * planes).round().astype(np.uint8).tobytes()).decode()
