"""deploy/images/Dockerfile, as far as tests ask about it."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.deploy.roles import DEPLOY

DOCKERFILE = DEPLOY / "images" / "Dockerfile"


@dataclass
class Stage:
    base: str
    """Another stage, or an image."""
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    exposed: set[int] = field(default_factory=set)
    health: list[str] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)

    def health_command(self) -> list[str]:
        """To be run here."""
        return [sys.executable if word == "python" else word for word in self.health]

    def command(self) -> list[str]:
        """To be run here."""
        return [sys.executable if word == "python" else word for word in self.entry]

    def ours(self) -> dict[str, str]:
        """Its CONVSCOPE_* variables."""
        return {name: value for name, value in self.environment.items() if name.startswith("CONVSCOPE_")}


def instructions() -> Iterator[tuple[str, str]]:
    """Each with the rest of its line, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def stages() -> dict[str, Stage]:
    """By name; each with what it inherits."""
    found: dict[str, Stage] = {}
    current = Stage("")
    for word, rest in instructions():
        match word:
            case "FROM":
                base, _, name = rest.partition(" AS ")
                parent = found.get(base, Stage(""))
                current = found[name] = Stage(base, dict(parent.environment), parent.user, set(parent.exposed))
                current.copies = list(parent.copies)
            case "ENV":
                current.environment |= dict(re.findall(r"(\w+)=(\S*)", rest))
            case "USER":
                current.user = rest
            case "EXPOSE":
                current.exposed |= {int(port) for port in rest.split()}
            case "HEALTHCHECK":
                current.health = json.loads(rest.partition("CMD ")[2])
            case "ENTRYPOINT":
                current.entry = json.loads(rest)
            case "COPY":
                current.copies.append(rest)
    return found
