"""Bytes where a message is expected: rubbish, and messages with damage."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from hypothesis import strategies as st

# Written by hand: what no serializer writes.
ODD = (
    b"", b"\0", b"\xff" * 11, b"\x0a\xff\xff\xff\xff\x07", b"\x0a" + b"\xff" * 9 + b"\x01", b"\x0b" * 200,
    b"\x0a\x7f" * 300, b"\x0c", b"\x0a\x02\xc3\x28", b"\x0a\x03\xed\xa0\x80", b"\x08" + b"\x80" * 9 + b"\x01",
    b"\x08" + b"\x80" * 20, b"\xf8\xff\xff\xff\x0f\x01", b"\x0e\x00", b"\x0f", b"PRI * HTTP/2.0\r\n\r\n", b"{}",
)  # fmt: skip
# Fields that no message of ours has: a number, 64 bits, bytes, an empty group, 32 bits.
UNKNOWN = (
    b"\xb8\x3e\x01", b"\xb9\x3e12345678", b"\xba\x3e\x03abc", b"\xbb\x3e\xbc\x3e", b"\xbd\x3e1234",
    b"\xba\x3e\x80\x01" + bytes(128),
)  # fmt: skip


@st.composite
def damaged(draw: Callable[..., Any], data: bytes) -> bytes:
    """Cut off, changed, longer."""
    found = bytearray(data)
    match draw(st.integers(0, 4)):
        case 0:
            del found[draw(st.integers(0, len(found))) :]
        case 1 if found:
            for place, value in draw(
                st.lists(st.tuples(st.integers(0, len(found) - 1), st.integers(0, 255)), max_size=8)
            ):
                found[place] = value
        case 2:
            place = draw(st.integers(0, len(found)))
            found[place:place] = draw(st.binary(max_size=16))
        case 3:
            first, last = sorted((draw(st.integers(0, len(found))), draw(st.integers(0, len(found)))))
            del found[first:last]
        case _:
            first, last = sorted((draw(st.integers(0, len(found))), draw(st.integers(0, len(found)))))
            found += found[first:last]
    return bytes(found)


@st.composite
def serialized(draw: Callable[..., Any], any_message: st.SearchStrategy[Message]) -> bytes:
    """A message as a client would never write it: twice over, so that oneofs are set twice; with fields that nobody
    knows; or damaged."""
    data: bytes = draw(any_message).SerializeToString()
    match draw(st.integers(0, 7)):
        case 0:
            data += draw(any_message).SerializeToString()
        case 1:
            data += b"".join(draw(st.lists(st.sampled_from(UNKNOWN), min_size=1, max_size=3)))
        case 2 | 3 | 4 | 5:
            data = draw(damaged(data))
        case 6:
            data = draw(st.sampled_from(ODD)) + data
    return data


def rubbish() -> st.SearchStrategy[bytes]:
    return st.sampled_from(ODD) | st.binary(max_size=300)
