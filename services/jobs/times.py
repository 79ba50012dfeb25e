"""Seconds since 1970 as the contract writes them."""

from google.protobuf.timestamp_pb2 import Timestamp


def to_time(seconds: float) -> Timestamp | None:
    """None for 0: not yet."""
    if not seconds:
        return None
    time = Timestamp()
    time.FromMicroseconds(round(seconds * 1e6))
    return time
