"""The captioner's training, and how often it is right."""

import torch
from torch import Tensor

from convscope.engine.shapes.networks.captioner import ShapesCaptioner
from convscope.engine.shapes.networks.reading import CAPTIONS, PREPROCESSING, tokens
from convscope.engine.shapes.training.examples import Examples
from convscope.engine.shapes.training.loop import train
from convscope.engine.words.captioner import caption

EPOCHS, RATE = 40, 4e-3


def train_captioner(examples: Examples, seeing: dict[str, Tensor], seed: int) -> ShapesCaptioner:
    """The eye stays as it is, as in "Show and Tell", so that what it sees is computed once."""
    sentences = tokens(examples.captions, CAPTIONS)
    torch.manual_seed(seed)
    captioner = ShapesCaptioner()
    captioner.eye.load_state_dict(seeing)
    captioner.eye.eval()
    with torch.no_grad():
        parts = torch.split(torch.arange(len(examples)), 500)
        seen = torch.cat([captioner.eye(examples.inputs(places)) for places in parts])

    def loss(places: Tensor) -> Tensor:
        scores = captioner.say(captioner.summarize(seen[places]), sentences[places, :-1])
        return captioner.spoken(scores, sentences[places]).sum(dim=1).mean().neg()

    train(captioner, len(examples), loss, epochs=EPOCHS, seed=seed, rate=RATE)
    return captioner


def right_captions(captioner: ShapesCaptioner, examples: Examples, *, beams: int = 1) -> Tensor:
    """Whether each picture's sentence is the right one, word for word, bool [N]."""
    found = []
    for images in torch.split(examples.images, 100):
        said, _ = caption(captioner, PREPROCESSING.normalize(images), beams=beams)
        found += [" ".join(CAPTIONS.decode(sentence)) for sentence in said.tolist()]
    return torch.tensor([said == right for said, right in zip(found, examples.captions, strict=True)])
