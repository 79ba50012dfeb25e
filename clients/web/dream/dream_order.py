"""What somebody wants to be made, as calls of the SDK."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from convscope.client import DatasetExamples, Unit
from convscope.client.errors import InvalidArgument
from convscope.web.dream.dream_kinds import DREAM_KINDS, DreamKind
from convscope.web.dream.python_lines import program

CODE, CPPN = "code", "cppn"
"""Parameterizations: of a picture by a learned prior's code, and by the weights of a network, which no picture sets."""


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
    channel: int | None
    """Of the layer."""
    steps: int | None
    """None or 0: what the recipe or the cluster says, as of size."""
    size: int | None
    """Pixels of a side."""
    confidence: float | None
    """How sure the model is to be, 0 to 1."""
    seed: int | None
    prior: str | None
    """The model's learned prior; None: it has none."""
    collection: str | None
    """Whose pictures stand beside; None or empty: none."""
    from_best: bool
    """Whether it starts from the best of these."""
    parameterizations: Mapping[str, str] = field(default_factory=dict)
    """Of the recipes; those that nobody knows are left out."""

    @property
    def _what(self) -> DreamKind:
        return DREAM_KINDS[self.kind]

    @property
    def missing(self) -> str:
        """A sentence that says what is not there; empty where nothing is."""
        title, needs = self._what.title, self._what.options
        unit = "unit" in needs
        coded = " and ".join(self.chosen)
        lacks = {
            "There is no model yet.": not self.model,
            f"{title} needs a picture: choose one first, or one of the samples below it.": (
                self._what.picture and not self.picture
            ),
            f"{title} needs a class: choose one.": "target" in needs and self.target is None,
            f"{title} needs a layer: choose one.": unit and not self.layer,
            f"{title} needs a channel: type its number.": unit and self.channel is None,
            f"{coded} makes pictures of a learned prior, and {self.model} has none.": self.left_out == self.chosen,
        }
        return next((words for words, lacking in lacks.items() if lacking), "")

    @property
    def sentence(self) -> str:
        """What will be done."""
        return self.missing or f"{self._doing()}{self._how()}{self._beside()}.{self._without()}"

    @property
    def chosen(self) -> tuple[str, ...]:
        """The recipes; one empty text for a kind without."""
        return (self.recipes or (self._what.recipe,)) if self._what.purpose else ("",)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Those of the chosen recipes that nothing can be made by, for want of a prior."""
        return () if self.prior else tuple(filter(self._of_codes, self.chosen))

    def calls(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(recipe, method of the client, its arguments) of each job. Raises InvalidArgument for what is missing."""
        if self.missing:
            raise InvalidArgument(self.missing, field="picture", reason="INVALID_INPUT")
        for recipe in self._made:
            picture = {"image": self.picture} if self._what.picture else {}
            yield recipe, self._what.call, self._arguments(recipe) | picture

    def lines(self, server: str) -> str:
        """The program that makes the same; empty while something is missing."""
        if self.missing:
            return ""
        arguments = {recipe: self._arguments(recipe) for recipe in self._made}
        return program(server, self._what.call, arguments, picture=self._what.picture)

    @property
    def _made(self) -> list[str]:
        return [recipe for recipe in self.chosen if recipe not in self.left_out]

    def _of_codes(self, recipe: str) -> bool:
        return "prior" in self._what.options and self.parameterizations.get(recipe) == CODE

    def _arguments(self, recipe: str) -> dict[str, Any]:
        """Without the picture."""
        what = self._what
        coded = self._of_codes(recipe)
        said = {
            "attack": what.attack or None,
            "target": self.target,
            "layer": None if "unit" in what.options else self.layer or None,
            "unit": self._unit(),
            "steps": self.steps or None,
            # A prior makes pictures of one size.
            "size": None if coded else self.size or None,
            "confidence": self.confidence or None,
            "seed": self.seed,
            "examples": self._examples(recipe),
            "recipe": recipe or None,
            "prior": self.prior if coded else None,
        }
        known = {*what.options, "attack", "recipe"}
        return {"model": self.model, **{name: one for name, one in said.items() if name in known and one is not None}}

    def _unit(self) -> Unit | None:
        return None if self.channel is None or not self.layer else Unit(self.layer, int(self.channel))

    def _examples(self, recipe: str) -> DatasetExamples | None:
        if not self.collection:
            return None
        return DatasetExamples(self.collection, start=self.from_best and self.parameterizations.get(recipe) != CPPN)

    def _doing(self) -> str:
        layer = self.layer or "a layer in the middle"
        sure = f", at least {100 * self.confidence:.0f} % sure" if self.confidence else ""
        return {
            "class": f"Makes the picture that {self.model} scores highest for this class",
            "channel": f"Makes the picture that channel {self.channel} of {layer} of {self.model} answers most to",
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
        return f", once by each of {len(self._made)} recipes{steps}, as a table"

    def _beside(self) -> str:
        if not self.collection or "examples" not in self._what.options:
            return ""
        return ", from the best dataset example on" if self.from_best else ", beside dataset examples"

    def _without(self) -> str:
        left = " and ".join(self.left_out)
        return f" Without {left}, for want of a learned prior." if left else ""
