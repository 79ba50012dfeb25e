"""The names of a model's classes."""

from collections.abc import Sequence
from functools import cache

from convscope.engine.errors import InvalidInput, UnknownName


@cache
def imagenet_labels() -> tuple[str, ...]:
    """The 1000 ImageNet classes, as torchvision writes them."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


class Labels(Sequence[str]):
    """Class names by index, and the way back."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._indices: dict[str, list[int]] = {}
        for index, name in enumerate(self._names):
            self._indices.setdefault(name.casefold(), []).append(index)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._names[index]

    def index_of(self, label: str, *, field: str = "target") -> int:
        """The class of that label; capital and small letters are the same where that leaves one class.

        Raises UnknownName with the nearest labels, and InvalidInput (AMBIGUOUS_CLASS) for a label that two classes
        share. (ImageNet has a Cardigan, which is a dog, and a cardigan.)
        """
        name = label.strip()
        found = self._indices.get(name.casefold(), [])
        exact = [index for index in found if self._names[index] == name]
        if len(exact) == 1:
            return exact[0]
        if len(found) == 1:
            return found[0]
        if found:
            message = f"{label!r} is the label of classes {', '.join(map(str, found))}; give the index"
            raise InvalidInput(message, field=field, reason="AMBIGUOUS_CLASS")
        raise UnknownName("class", label, self._names, field=field)

    def check_index(self, index: int, *, field: str = "target") -> int:
        """`index`, where it is a class. Raises InvalidInput (UNKNOWN_CLASS) where it is not."""
        if 0 <= index < len(self._names):
            return index
        message = f"class index {index} is out of range; the model has classes 0 to {len(self._names) - 1}"
        raise InvalidInput(message, field=field, reason="UNKNOWN_CLASS")
