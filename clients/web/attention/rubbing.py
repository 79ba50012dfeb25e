"""The component in which a blurred picture is rubbed sharp and its question answered."""

from typing import Any

import gradio as gr
from PIL import Image, ImageFilter

from convscope.client import AnnotationInfo, Answer
from convscope.web.attention.brush import BLUR, RADIUS, STRENGTH
from convscope.web.attention.questions import in_words
from convscope.web.data_urls import jpeg_url, png_url
from convscope.web.page_file import page_file

LARGEST = 1024
"""Side of a picture that the page is sent, pixels."""
SMALL = 256
"""Up to this side a picture is sent without loss: it is drawn larger than it is."""


def rubbing(elem_id: str) -> gr.HTML:
    """Its value is what rubbing_value() gives; None shows nothing. `submit` tells what rubbed() reads, `skip` that
    another question is wanted."""
    return gr.HTML(
        None,
        html_template=page_file("attention/rubbing.html"),
        css_template=page_file("attention/rubbing.css"),
        js_on_load=page_file("node.js") + page_file("attention/rubbing.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def rubbing_value(collection: str, info: AnnotationInfo, target: Answer, picture: Image.Image) -> dict[str, Any]:
    """A question as the component takes it. collection: its resource name. picture: the whole one, upright."""
    sent = picture.copy()
    sent.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    longest = max(sent.size)
    url = png_url if longest <= SMALL else jpeg_url
    return {
        "collection": collection,
        "annotation": info.id,
        "question": in_words(target),
        "width": picture.width,
        "height": picture.height,
        # Of a dab. Not props of the component: an update that leaves it as it is takes these away.
        "radius": RADIUS * max(picture.size),
        "strength": STRENGTH,
        "sharp": url(sent),
        "blurred": url(sent.filter(ImageFilter.GaussianBlur(BLUR * longest))),
    }
