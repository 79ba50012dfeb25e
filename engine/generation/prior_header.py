"""What the head of a prior's file says: its card, which is read without its numbers. Needs no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from convscope.engine.generation.card import PriorCard
from convscope.engine.generation.errors import PriorInvalid

FORMAT = "convscope prior 1"
KEY = "prior"
"""Of the file's metadata. One key: safetensors keeps several in no order."""
_LENGTH = 8


@dataclass(frozen=True)
class PriorHeader:
    """Of a safetensors file."""

    card: PriorCard
    digest: str
    """SHA-256 of the card and of all numbers, hex."""

    def metadata(self) -> dict[str, str]:
        """As the file has it."""
        said = {"format": FORMAT, "card": self.card.model_dump(mode="json"), "digest": self.digest}
        return {KEY: json.dumps(said)}

    @classmethod
    def from_bytes(cls, data: bytes) -> "PriorHeader":
        """Of a whole file, or its head. Raises PriorInvalid."""
        try:
            said = json.loads(json.loads(data[_LENGTH : _LENGTH + _length(data)])["__metadata__"][KEY])
            kind, digest = said["format"], said["digest"]
            card = PriorCard.model_validate_json(json.dumps(said["card"]))
        except (ValidationError, LookupError, ValueError, TypeError, RecursionError) as error:
            raise PriorInvalid(f"{len(data)} bytes that are no whole prior") from error
        if kind != FORMAT:
            raise PriorInvalid(f"the prior has the format {str(kind)[:60]!r}, not {FORMAT!r}")
        return cls(card, digest)

    @classmethod
    def of_file(cls, path: Path) -> "PriorHeader":
        """Its numbers are not read. Raises PriorInvalid, OSError."""
        with path.open("rb") as file:
            length = file.read(_LENGTH)
            return cls.from_bytes(length + file.read(_length(length)))


def _length(data: bytes) -> int:
    return int.from_bytes(data[:_LENGTH], "little")
