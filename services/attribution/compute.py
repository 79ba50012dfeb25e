"""A batch of work through its model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope.engine.attribution.batch import Batch, Progress
from convscope.engine.attribution.explain import Question, explain_together
from convscope.engine.attribution.method import Attribution
from convscope.engine.attribution.target import Targets
from convscope.engine.inspection.activations import activations_and_scores
from convscope.engine.inspection.embeddings import embed
from convscope.engine.models.model import Model
from convscope.engine.words.captioner import Captioner, caption
from convscope.services.attribution.work import Answer, Result, Work

NO_SCORES = np.empty(0, np.float32)


@torch.enable_grad()  # quick work may pass long work where that builds no graph
def compute(batch: Sequence[Work], progress: Progress) -> list[Result]:
    """Run work of one group together: a result for each. Raises what the engine raises."""
    model, task = batch[0].model, batch[0].task
    images = torch.stack([work.image for work in batch]).to(model.device)
    if images.dtype == torch.uint8:
        images = model.preprocessing.normalize(images)
    images = images.contiguous(memory_format=torch.channels_last)
    module = _network(batch)
    if task.features is not None:
        vectors = embed(model, images, task.features, module=module)
        return [Result(NO_SCORES, features=row) for row in _to_numpy(vectors)]
    if task.layers:
        return _look(model, module, images, task.layers)
    if task.beams:
        return _say(model, images, task.beams)
    if not task.asks:
        with torch.no_grad():
            return [Result(scores) for scores in _to_numpy(module(images))]
    questions = [
        Question(ask.method, ask.parameters, Targets(tuple(work.targets[number] for work in batch)))
        for number, ask in enumerate(task.asks)
    ]
    pictures = Batch(module, images, questions[0].targets, model.preprocessing, progress)
    found = explain_together(pictures, questions)
    answers = zip(*map(_answers, found), strict=True)
    return [Result(scores, row) for scores, row in zip(_to_numpy(found[0].scores), answers, strict=True)]


def _look(model: Model, module: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Result]:
    found, scores = activations_and_scores(model, images, layers, module=module)
    each = zip(*(_to_numpy(found[layer]) for layer in layers), strict=True)
    return [Result(row, activations=answers) for row, answers in zip(_to_numpy(scores), each, strict=True)]


def _say(model: Model, images: Tensor, beams: int) -> list[Result]:
    assert isinstance(model.network, Captioner)
    tokens, _ = caption(model.network, images, beams=beams)
    with torch.no_grad():
        scores = model.network(images, tokens)
    each = zip(_to_numpy(scores), tokens.tolist(), strict=True)
    return [Result(row, caption=tuple(sentence)) for row, sentence in each]


def _network(batch: Sequence[Work]) -> nn.Module:
    """The fastest network that gives the same answer."""
    work = batch[0]
    if work.words:
        return work.model.reading(_padded([work.words for work in batch], work.model))
    asks = work.task.asks
    if work.task.precision == "float32" and any(ask.method.to_pixels for ask in asks):
        return work.model.module
    read = [Targets((target,)).layer for target in work.targets]
    looked_at = [*read, *(ask.layer for ask in asks), *work.task.layers, work.task.features]
    return work.model.variant(work.task.precision, {layer for layer in looked_at if layer})


def _padded(sentences: Sequence[Sequence[int]], model: Model) -> Tensor:
    """[N, L], the end as often as it takes."""
    assert model.tokenizer is not None
    length = max(map(len, sentences))
    end = model.tokenizer.end
    return torch.tensor([[*sentence, *[end] * (length - len(sentence))] for sentence in sentences])


def _answers(attribution: Attribution) -> list[Answer]:
    count = len(attribution.targets.each)
    errors, found = attribution.convergence_error, attribution.segmentations
    rows = zip(
        _to_numpy(attribution.values),
        attribution.targets.each,
        attribution.explained.tolist(),
        [None] * count if errors is None else errors.tolist(),
        list(found) if found else [None] * count,
        strict=True,
    )
    return [Answer(*row) for row in rows]


def _to_numpy(tensor: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
