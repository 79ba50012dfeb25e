"""What a finished job made, as the page draws it."""

from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from convscope.client import Adversarial, Prediction, Synthesis
from convscope.client.synthesis import ORIGINAL
from convscope.web.data_urls import data_url, jpeg_url, png_url
from convscope.web.dream.strips import Strip, strips_of

LARGEST_BYTES = 2 << 20
"""A picture whose file is larger is drawn smaller; the file itself is offered beside it."""
SIDE = 1024
"""The longer side of what is drawn then."""
MADE_OF = {"invert_features": "The photograph, as the model sees it", "create_adversarial": "What it began with"}
"""What stands in original.png."""


@dataclass(frozen=True)
class MadePictures:
    """All of it."""

    pictures: list[dict[str, str]] = field(default_factory=list)
    """url, caption, note of each; what it began with comes first."""
    strips: list[Strip] = field(default_factory=list)
    """Rows of small ones below."""
    said: list[dict[str, object]] = field(default_factory=list)
    """Of an adversarial picture: title and classes before and after."""
    words: str = ""
    """What became of it, where the pictures do not say."""
    name: str = "made"
    """What its files are called."""


def made_pictures(made: Synthesis) -> MadePictures:
    """Takes a while where files are large."""
    pictures = [
        _picture(made.files[one.name], one.title or made.layer, _note(made, place))
        for place, one in enumerate(made.made)
    ]
    name = "-".join("".join(one if one.isalnum() else " " for one in made.made[0].title).split()) if made.made else ""
    if made.job.kind == "deep_dream":
        pictures.insert(0, _beginning(made.way))
    elif ORIGINAL in made.files:
        pictures.insert(0, _picture(made.files[ORIGINAL], MADE_OF.get(made.job.kind, "What it began with"), ""))
    said: list[dict[str, object]] = []
    if isinstance(made, Adversarial):
        magnified = f"made {made.magnification:.3g} times stronger, about grey"
        pictures.append({"url": png_url(made.perturbation), "caption": "The change alone", "note": magnified})
        said = [_said("What it said before", made.before), _said("What it says now", made.after)]
    return MadePictures(pictures, strips_of(made), said, _words(made), name or made.job.kind)


def _note(made: Synthesis, place: int) -> str:
    if isinstance(made, Adversarial):
        return f"{100 * made.changed:.0f} % of its pixels changed, by {255 * made.linf:.0f} of 255 at most"
    return "what the layer sees, exaggerated" if made.layer else made.made[place].note


def _words(made: Synthesis) -> str:
    if not isinstance(made, Adversarial):
        return ""
    if not made.fooled:
        return "The model was not fooled; more steps may do it."
    return f"The model takes it for {made.after[0].label}." if made.after else ""


def _said(title: str, predictions: tuple[Prediction, ...]) -> dict[str, object]:
    return {"title": title, "classes": [[one.label, round(one.probability, 4)] for one in predictions]}


def _picture(file: bytes, caption: str, note: str) -> dict[str, str]:
    """The file as it is, where it is small."""
    if len(file) <= LARGEST_BYTES:
        return {"url": data_url(file, "image/png"), "caption": caption, "note": note}
    small = Image.open(BytesIO(file)).convert("RGB")
    small.thumbnail((SIDE, SIDE))
    return {"url": jpeg_url(small), "caption": caption, "note": note}


def _beginning(way: bytes) -> dict[str, str]:
    first = Image.open(BytesIO(way)).convert("RGB")
    return {"url": png_url(first), "caption": "The photograph", "note": "small, as the way begins"}
