"""The training of the network that answers questions, and how often it is right."""

import torch
from torch import Tensor
from torch.nn import functional

from convscope.engine.shapes.networks import reading
from convscope.engine.shapes.networks.answerer import Answerer
from convscope.engine.shapes.networks.reading import PREPROCESSING, tokens
from convscope.engine.shapes.training.examples import Examples
from convscope.engine.shapes.training.loop import train
from convscope.engine.shapes.vocabulary import ANSWERS

EPOCHS, RATE = 6, 4e-3
QUESTIONS = 24
"""About each picture, of which each pass asks some."""
ASKED = 4


def train_answerer(examples: Examples, seeing: dict[str, Tensor], seed: int) -> Answerer:
    """examples: with QUESTIONS about each."""
    questions, answers = questions_and_answers(examples)
    torch.manual_seed(seed)
    answerer = Answerer()
    answerer.eye.load_state_dict(seeing)

    def loss(places: Tensor) -> Tensor:
        asked = torch.stack([torch.randperm(QUESTIONS)[:ASKED] for _ in places])
        seen = answerer.eye(examples.inputs(places)).repeat_interleave(ASKED, dim=0)
        read = answerer.read(questions[places[:, None], asked].flatten(0, 1))
        return functional.cross_entropy(answerer.reply(seen, read), answers[places[:, None], asked].flatten())

    train(answerer, len(examples), loss, epochs=EPOCHS, seed=seed, rate=RATE)
    return answerer


def questions_and_answers(examples: Examples) -> tuple[Tensor, Tensor]:
    """Tokens [N, questions, L] and places in ANSWERS [N, questions]."""
    each = [question for questions in examples.questions for question in questions]
    asked = tokens([question.text for question in each], reading.QUESTIONS)
    answers = torch.tensor([ANSWERS.index(question.answer) for question in each])
    return asked.view(len(examples), -1, asked.shape[1]), answers.view(len(examples), -1)


@torch.no_grad()
def right_answers(answerer: Answerer, examples: Examples) -> Tensor:
    """Whether each picture's first question is answered right, bool [N]."""
    questions, answers = questions_and_answers(examples)
    parts = zip(torch.split(examples.images, 500), torch.split(questions[:, 0], 500), strict=True)
    scores = torch.cat([answerer(PREPROCESSING.normalize(images), asked) for images, asked in parts])
    return scores.argmax(dim=1) == answers[:, 0]
