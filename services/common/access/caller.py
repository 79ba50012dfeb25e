"""Those who may call."""

import hashlib
import hmac
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Caller(BaseModel):
    """A team, a service or a person, known by a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
    """What stands in logs and in the records of its jobs."""
    token_sha256: Digest = Field(repr=False)
    """SHA-256 of its token, in hexadecimal digits. A token is as random as a key, so that no slow hash is needed."""
    next_token_sha256: Digest | None = Field(None, repr=False)
    """Of a second token that counts as well, while callers change from one to the other."""
    administrator: bool = False
    """Sees the jobs and collections of all."""
    calls_per_second: Annotated[float, Field(ge=0.001, allow_inf_nan=False)] | Literal[0] = 0
    """Calls that it may begin, at all replicas together; twice as many at once after a pause. 0: any number; else at
    least one in a quarter of an hour."""
    queued_jobs: Annotated[int, Field(ge=1)] | None = None
    """Jobs of it that may wait at once; None: what the cluster says for everybody."""
    steps_per_day: Annotated[int, Field(ge=1)] | None = None
    """Steps of all the jobs that it hands in on a day, by UTC; None: any number."""

    def digests(self) -> tuple[str, ...]:
        """Of the tokens by which it is known."""
        both = (self.token_sha256, self.next_token_sha256)
        return tuple(digest for digest in both if digest is not None)


class Callers:
    """All who may call."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        """Raises ValueError for none at all, and for two of one name or one token."""
        if not callers:
            raise ValueError("no callers are named")
        names: set[str] = set()
        digests: set[str] = set()
        for caller in callers:
            if caller.name in names:
                raise ValueError(f"two callers have the name {caller.name}")
            if len(set(caller.digests()) - digests) < len(caller.digests()):
                raise ValueError(f"a token of {caller.name} is there twice")
            names.add(caller.name)
            digests.update(caller.digests())
        self._callers = tuple(callers)

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a TOML file with a table [[callers]] for each. Raises OSError that says what is wrong with it."""
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
            if set(tables) != {"callers"} or not isinstance(tables["callers"], list):
                raise ValueError("it must hold tables [[callers]], and nothing else")
            return cls([Caller.model_validate(table) for table in tables["callers"]])
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise OSError(f"the callers in {path} cannot be read: {where}: {first['msg']}") from None
        except (ValueError, RecursionError) as error:  # the latter of thousands of brackets
            raise OSError(f"the callers in {path} cannot be read: {error}") from error

    def of_token(self, token: str) -> Caller | None:
        """Whose it is. It takes as long for one that is nearly right as for any other."""
        digest = digest_of(token)
        found = None
        for caller in self._callers:
            for known in caller.digests():
                if hmac.compare_digest(known, digest):
                    found = caller
        return found


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
