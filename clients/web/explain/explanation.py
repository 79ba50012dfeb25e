"""Explanations of one picture: quick methods in one call, slow ones one by one, with how far they are."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from convscope.client import Attribution, Variant
from convscope.client.methods import PARAMETER_FIELDS
from convscope.web.cluster import Cluster
from convscope.web.explain.method_titles import SLOW, TITLES
from convscope.web.progress import progress_line
from convscope.web.snippet import snippet

COUNTERFACTUAL = "counterfactual"
WATCH_SECONDS = 0.25


def choice_title(choice: str) -> str:
    """The name of a choice, for people."""
    method, _, other = choice.partition(":")
    return f"{TITLES[method]}, {other}" if other else TITLES[method]


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
    def slow(self) -> bool:
        """Whether there is a method that takes its time."""
        return any(variant.method in SLOW for variant in self.variants())

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

    @property
    def titles(self) -> list[str]:
        """The names of the choices, for people."""
        return [choice_title(choice) for choice in self.choices]

    def lines(self, server: str) -> str:
        """The program that asks the same."""
        variants = self.variants()
        asked = [f"model={self.model!r}", *([] if self.target is None else [f"target={self.target}"])]
        if len(variants) == 1:
            one = variants[0]
            parameters = [f"{name}={value!r}" for name, value in one.parameters.items()]
            given = ", ".join([f"method={one.method!r}", *asked, *parameters])
            lines = [
                f'answer = client.attribute("picture.jpg", {given})',
                f'answer.save("{one.method}.png")  # or .npy',
            ]
            return snippet(server, lines)
        listed = [f"    {one!r}," if one.parameters else f"    {one.method!r}," for one in variants]
        lines = [
            "variants = [", *listed, "]",
            f'answers = client.compare("picture.jpg", variants, {", ".join(asked)})',
            'answers.contact_sheet().save("sheet.png")',
        ]  # fmt: skip
        return snippet(server, lines, *(["Variant"] if any(one.parameters for one in variants) else []))


@dataclass(frozen=True)
class Stage:
    """How far the answer is."""

    answers: dict[int, Attribution] | None
    """By the place of their choice, in the order of the choices; None: as they were."""
    progress: str
    """A line of the page; empty when all is there."""


async def at_once(cluster: Cluster, question: Question) -> dict[int, Attribution]:
    """What the quick methods say, by the place of their choice. Raises ClientError."""
    quick = {place: one for place, one in enumerate(question.variants()) if one.method not in SLOW}
    if not quick:
        return {}
    answers = await cluster.client.compare(
        question.picture, list(quick.values()), model=question.model, target=question.target
    )
    return dict(zip(quick, answers, strict=True))


async def one_by_one(cluster: Cluster, question: Question) -> AsyncGenerator[Stage]:
    """What the slow methods say as well, as it comes. Raises ClientError. Whoever stops listening stops the work."""
    found = await at_once(cluster, question)  # again: the page keeps no answers, a cluster with a cache has them
    for place, variant in enumerate(question.variants()):
        if variant.method in SLOW:
            async with aclosing(_slow(cluster, question, variant)) as stages:
                async for answer, line in stages:
                    if answer is not None:
                        found[place] = answer
                    yield Stage(None if answer is None else dict(sorted(found.items())), line)


async def _slow(
    cluster: Cluster, question: Question, variant: Variant
) -> AsyncGenerator[tuple[Attribution | None, str]]:
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
    name = TITLES[variant.method]
    try:
        yield None, progress_line(name)
        while not (await asyncio.wait([work], timeout=WATCH_SECONDS))[0]:
            if far:
                done, total = far[-1]
                yield None, progress_line(f"{name}: {done} of {total}", done, total)
        yield work.result(), ""
    finally:
        work.cancel()
