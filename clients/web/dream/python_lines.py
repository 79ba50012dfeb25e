"""The programs that make what somebody has ordered, and fetch what was made."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from convscope.client.job_info import COLLECTION_KINDS
from convscope.web.snippet import snippet


def program(server: str, call: str, jobs: Mapping[str, Mapping[str, Any]], *, picture: bool) -> str:
    """jobs: the arguments of each by its recipe. picture: whether one comes first."""
    first, *others = jobs.values()
    shared = {name: one for name, one in first.items() if all(other.get(name) == one for other in others)}
    said = [*(['"picture.jpg"'] if picture else []), *(f"{name}={source(one)}" for name, one in shared.items())]
    names = {type(one).__name__ for job in jobs.values() for one in job.values() if is_dataclass(one)}
    if len(jobs) == 1:
        lines = [f"job = client.{call}({', '.join(said)})", 'job.result().save("made.png")  # or .npy, .gif, .json']
        return snippet(server, lines, *names)
    own = {
        recipe: {name: one for name, one in job.items() if name not in shared and name != "recipe"}
        for recipe, job in jobs.items()
    }
    others_say = [f"    {recipe!r}: {_dictionary(one)}," for recipe, one in own.items() if one]
    opened = [f"recipes = {list(jobs)!r}", *(["more = {", *others_say, "}"] if others_say else [])]
    more = ", **more.get(recipe, {})" if others_say else ""
    begun = f"[client.{call}({', '.join(said)}, recipe=recipe{more}) for recipe in recipes]"
    saving = ["for recipe, job in zip(recipes, jobs):", '    job.result().save(f"{recipe}.png")']
    return snippet(server, [*opened, f"jobs = {begun}", *saving], *names)


def fetching(server: str, names: Sequence[str], kind: str) -> str:
    """The program that fetches what jobs made. kind: of the job, where it is one."""
    if len(names) != 1:
        lines = [f"names = {list(names)!r}", "for name in names:", '    client.job(name).result().save(f"{name}.png")']
    elif kind in COLLECTION_KINDS:
        lines = [f'result = client.collection_job("{names[0]}").result()', "print(result)"]
    else:
        lines = [f'result = client.job("{names[0]}").result()', 'result.save("made.png")  # or .npy, .gif, .json']
        lines += ["print(result)"]
    return snippet(server, lines)


def source(value: Any) -> str:
    """As somebody would write it: without what goes without saying."""
    if not is_dataclass(value) or isinstance(value, type):
        return repr(value)
    said = [one.name for one in fields(value) if one.default is MISSING or getattr(value, one.name) != one.default]
    return f"{type(value).__name__}({', '.join(f'{name}={getattr(value, name)!r}' for name in said)})"


def _dictionary(values: Mapping[str, Any]) -> str:
    return f"{{{', '.join(f'{name!r}: {source(one)}' for name, one in values.items())}}}"
