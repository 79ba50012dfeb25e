"""TOML documents: of the right keys and any values, and what is no TOML at all."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.values import RARELY, TEXTS, integers
from tests.fuzz.wire import damaged

# As it stands in a document.
ODD_VALUES = (
    "1979-05-27T07:32:00Z", "1979-05-27", "07:32:00", "2023-02-30", "+inf", "nan", "1e999", "9" * 5000, "-0", "0xff",
    "true", "[]", "{}", "[[], {}]", "[" * 3000, "{a=" * 3000, "''", '""', '"\\ud800"', '"""\n"""', "[1, 'a']", "",
)  # fmt: skip
ODD_KEYS = ("extra", "folder", "a.b", "猫", '""', "'a b'")
ODD_DOCUMENTS = (
    b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"a = " + b"[" * 5000, b"[" * 5000, b"a." * 5000 + b"a = 1",
    b"a = " + b"9" * 5000, b"[[models]]\n" * 500, b"[models]\n", b"models = 1", b"models = [1]", b"callers = {}",
)  # fmt: skip


@st.composite
def documents(
    draw: Callable[..., Any],
    table: str,
    good: Mapping[str, str],
    odd: Mapping[str, Sequence[str]],
    loose: Sequence[str],
) -> bytes:
    """Of tables [[table]], written in TOML. good: what each field mostly is; odd: what it may be, too. loose: lines
    that may stand before the tables."""
    if draw(RARELY):
        return draw(st.sampled_from(ODD_DOCUMENTS) | st.binary(max_size=100))  # type: ignore[no-any-return]
    lines = [draw(st.sampled_from([*loose, "unknown = 1"]))] if draw(RARELY) else []
    for number in range(draw(st.integers(1, 2))):
        lines.append(f"[{table}]" if draw(RARELY) else f"[[{table}]]")
        fields = {name: value.replace("NUMBER", str(number)) for name, value in good.items()}
        for name in draw(st.lists(st.sampled_from(sorted(odd)), max_size=2)):
            fields[name] = draw(st.sampled_from(odd[name]) | _values())
        if draw(RARELY):
            del fields[draw(st.sampled_from(sorted(fields)))]
        if draw(RARELY):
            fields[draw(st.sampled_from(ODD_KEYS))] = draw(_values())
        lines += [f"{name} = {value}" for name, value in fields.items()]
    data = "\n".join(lines).encode()
    return draw(damaged(data)) if draw(RARELY) else data


@cache
def _values() -> st.SearchStrategy[str]:
    text = st.sampled_from(TEXTS) | st.text(max_size=10)
    return st.one_of(
        st.sampled_from(ODD_VALUES),
        integers(-(2**63), 2**63 - 1).map(str),
        st.floats().map(repr),
        text.map(written),
        st.lists(text.map(written), max_size=3).map(lambda several: f"[{', '.join(several)}]"),
    )


def written(text: str) -> str:
    """A string as TOML has it."""
    escaped = "".join(one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in text)
    return f'"{escaped}"'
