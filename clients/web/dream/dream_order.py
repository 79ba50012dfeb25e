"""What somebody wants to be made, as calls of the SDK."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from convscope.client.errors import InvalidArgument
from convscope.web.dream.dream_kinds import DREAM_KINDS, DreamKind
from convscope.web.snippet import snippet


@dataclass(frozen=True)
class DreamOrder:
    """The values of the tab's options; one that its kind does not need counts for nothing."""

    kind: str
    model: str | None
    picture: str | None
    """Path of its file."""
    target: int | None
    """Index of a class."""
    recipes: tuple[str, ...]
    """A job for each; none: what the kind takes by itself."""
    layer: str | None
    """None or empty: one in the middle of the network."""
    steps: int | None
    """None or 0: what the recipe or the cluster says, as of size."""
    size: int | None
    """Pixels of a side."""
    confidence: float | None
    """How sure the model is to be, 0 to 1."""
    seed: int | None

    @property
    def _what(self) -> DreamKind:
        return DREAM_KINDS[self.kind]

    @property
    def missing(self) -> str:
        """A sentence that says what is not there; empty where nothing is."""
        if not self.model:
            return "There is no model yet."
        if self._what.picture and not self.picture:
            return f"{self._what.title} needs a picture: choose one first, or one of the samples below it."
        if "target" in self._what.options and self.target is None:
            return f"{self._what.title} needs a class: choose one."
        return ""

    @property
    def sentence(self) -> str:
        """What will be done."""
        return self.missing or f"{self._doing()}{self._how()}."

    @property
    def chosen(self) -> tuple[str, ...]:
        """The recipes; one empty text for a kind without."""
        return (self.recipes or (self._what.recipe,)) if self._what.purpose else ("",)

    def calls(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(recipe, method of the client, its arguments) of each job. Raises InvalidArgument for what is missing."""
        if self.missing:
            raise InvalidArgument(self.missing, field="picture", reason="INVALID_INPUT")
        for recipe in self.chosen:
            arguments = self._arguments() | ({"recipe": recipe} if recipe else {})
            yield recipe, self._what.call, arguments | ({"image": self.picture} if self._what.picture else {})

    def lines(self, server: str) -> str:
        """The program that makes the same; empty while something is missing."""
        if self.missing:
            return ""
        picture = '"picture.jpg", ' if self._what.picture else ""
        said = ", ".join(f"{name}={value!r}" for name, value in self._arguments().items())
        call = f"client.{self._what.call}({picture}{said}"
        if len(self.chosen) > 1:
            lines = [
                f"recipes = {list(self.chosen)!r}",
                f"jobs = [{call}, recipe=recipe) for recipe in recipes]",
                "for recipe, job in zip(recipes, jobs):",
                '    job.result().save(f"{recipe}.png")',
            ]
        else:
            recipe = f", recipe={self.chosen[0]!r}" if self.chosen[0] else ""
            lines = [f"job = {call}{recipe})", 'job.result().save("made.png")  # or .npy, .gif, .json']
        return snippet(server, lines)

    def _arguments(self) -> dict[str, Any]:
        """Without recipe and picture."""
        what = self._what
        attack = {"attack": what.attack} if what.attack else {}
        said = {
            "target": self.target,
            "layer": self.layer or None,
            "steps": self.steps or None,
            "size": self.size or None,
            "confidence": self.confidence or None,
            "seed": self.seed,
        }
        values = {name: value for name, value in said.items() if name in what.options and value is not None}
        return {"model": self.model, **attack, **values}

    def _doing(self) -> str:
        layer = self.layer or "a layer in the middle"
        sure = f", at least {100 * self.confidence:.0f} % sure" if self.confidence else ""
        return {
            "class": f"Makes the picture that {self.model} scores highest for this class",
            "dream": f"Exaggerates in the picture what {layer} of {self.model} sees in it",
            "invert": f"Rebuilds the picture from what {layer} of {self.model} keeps of it",
            "fool": f"Changes noise until {self.model} takes it for this class{sure}",
            "change": f"Changes the picture a little, until {self.model} takes it for this class{sure}",
        }[self.kind]

    def _how(self) -> str:
        number = f"{self.steps} step" if self.steps == 1 else f"{self.steps} steps"
        steps = f", in {number} {self._what.counted}".rstrip() if self.steps else ""
        if not self._what.purpose:
            return steps
        if len(self.chosen) == 1:
            return f", by the recipe {self.chosen[0]}{steps}"
        return f", once by each of {len(self.chosen)} recipes{steps}, as a table"
