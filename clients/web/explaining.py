"""Explanations of one picture: quick methods in one call, slow ones one by one, with how far they are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.client import Attribution, Variant
from convscope.client.methods import PARAMETER_FIELDS
from convscope.web.cluster import Cluster
from convscope.web.progress import progress_line
from convscope.web.snippet import snippet
from convscope.web.titles import SLOW, title

COUNTERFACTUAL = "counterfactual"
WATCH_SECONDS = 0.25


@dataclass(frozen=True)
class Question:
    """What somebody asks of a picture."""

    picture: str
    """Path of its file."""
    model: str
    choices: tuple[str, ...]
    """Methods; grad_cam:counterfactual is Grad-CAM of what speaks against a class."""
    target: int | None
    """Index of a class; None: the top one."""
    layer: str | None
    """For methods that look at one; None: the model's own."""

    @property
    def quick(self) -> bool:
        """Whether there is a method that answers at once."""
        return any(variant.method not in SLOW for variant in self.variants())

    def variants(self) -> list[Variant]:
        return [self._variant(choice) for choice in self.choices]

    def _variant(self, choice: str) -> Variant:
        method, _, other = choice.partition(":")
        parameters: dict[str, Any] = {}
        if self.layer and "layer" in PARAMETER_FIELDS[method]:
            parameters["layer"] = self.layer
        if other == COUNTERFACTUAL:
            parameters["counterfactual"] = True
        return Variant(method, **parameters)

    def lines(self, server: str) -> str:
        """The program that asks the same."""
        target = "" if self.target is None else f", target={self.target}"
        variants = self.variants()
        if len(variants) == 1:
            one = variants[0]
            parameters = "".join(f", {name}={value!r}" for name, value in one.parameters.items())
            call = f'client.attribute("picture.jpg", model={self.model!r}, method={one.method!r}{target}{parameters})'
            lines = [f"answer = {call}", f'answer.save("{one.method}.png")  # or .npy', "answer.heatmap"]
            return snippet(server, lines)
        plain = all(not variant.parameters for variant in variants)
        listed = [variant.method for variant in variants] if plain else variants
        call = f'client.compare("picture.jpg", {listed!r}, model={self.model!r}{target})'
        lines = [f"answers = {call}", 'answers.contact_sheet().save("sheet.png")']
        return snippet(server, lines, *([] if plain else ["Variant"]))


@dataclass(frozen=True)
class Stage:
    """How far the answer is."""

    answers: tuple[Attribution, ...] | None
    """In the order of the choices; None: as they were."""
    progress: str
    """A line of the page; empty when all is there."""


async def explained(cluster: Cluster, question: Question) -> AsyncIterator[Stage]:
    """What there is, as it comes. Raises ClientError. Whoever stops listening stops the work."""
    variants = question.variants()
    found: dict[int, Attribution] = {}
    quick = [place for place, variant in enumerate(variants) if variant.method not in SLOW]
    if quick:
        answers = await cluster.client.compare(
            question.picture, [variants[place] for place in quick], model=question.model, target=question.target
        )
        found |= dict(zip(quick, answers, strict=True))
        yield Stage(_in_order(found), "")
    for place, variant in enumerate(variants):
        if place not in found:
            async for answer, line in _slow(cluster, question, variant):
                if answer is None:
                    yield Stage(None, line)
                else:
                    found[place] = answer
                    yield Stage(_in_order(found), "")


def _in_order(found: dict[int, Attribution]) -> tuple[Attribution, ...]:
    return tuple(found[place] for place in sorted(found))


async def _slow(
    cluster: Cluster, question: Question, variant: Variant
) -> AsyncIterator[tuple[Attribution | None, str]]:
    far: list[Sequence[int]] = []
    work = asyncio.ensure_future(
        cluster.client.attribute(
            question.picture,
            model=question.model,
            method=variant.method,
            target=question.target,
            on_progress=lambda done, total: far.append((done, total)),
            **variant.parameters,
        )
    )
    name = title(variant.method)
    try:
        yield None, progress_line(name)
        while not (await asyncio.wait([work], timeout=WATCH_SECONDS))[0]:
            if far:
                done, total = far[-1]
                yield None, progress_line(f"{name}: {done} of {total}", done, total)
        yield work.result(), ""
    finally:
        work.cancel()
