"""What a training has made of a prior, in words and pictures."""

from PIL import Image

from convscope.client import PriorInfo, TrainedPrior
from convscope.client.collection_info import in_number
from convscope.web.dream.sheet_pictures import sheet_pictures
from convscope.web.dream.strips import Strip, strip

SAMPLES_TITLE = "Held-out pictures, each above what is made of its code"
GAP = 4
"""Pixels between the two."""


def prior_words(prior: PriorInfo) -> str:
    """What it is of, and how good it is."""
    learned = f"{prior.width} x {prior.height} pixels, learned from {in_number(prior.image_count, 'image')}"
    return (
        f"Makes pictures of the codes of {prior.layer}, {learned}. "
        f"Measured on {in_number(prior.held_out_count, 'other')}: a picture is missed by "
        f"{100 * prior.pixel_error:.0f} % of the range of its values; of its code {100 * prior.feature_error:.0f} % of "
        f"the variance is missed, 100 % being as good as the mean; of noise on a code "
        f"{100 * prior.denoising_error:.0f} % is left."
    )


def prior_samples(trained: TrainedPrior) -> list[Strip]:
    """Takes a moment."""
    rows = sheet_pictures(trained.samples)
    if len(rows) != 2:
        return []
    return [strip("samples", SAMPLES_TITLE, [_pair(*one) for one in zip(*rows, strict=False)])]


def _pair(real: Image.Image, made: Image.Image) -> Image.Image:
    pair = Image.new("RGBA", (max(real.width, made.width), real.height + GAP + made.height))
    pair.paste(real, (0, 0))
    pair.paste(made, (0, real.height + GAP))
    return pair
