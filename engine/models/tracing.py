"""torch.fx, which patches nn.Module for the whole process while it traces, kept to one thread."""

import threading
from collections.abc import Callable
from typing import Any

from torch import fx, nn

# It patches nn.Module; two at once would not undo that.
_tracing = threading.Lock()


class ThreadTracer(fx.Tracer):
    """Traces what its own thread runs; passes of other threads go on as if nothing were."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def trace_alone(self, network: nn.Module) -> fx.Graph:
        """Trace a network; one at a time. Raises whatever its forward raises when it gets symbols for tensors."""
        with _tracing:
            return self.trace(network)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)
