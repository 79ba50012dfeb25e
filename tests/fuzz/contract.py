"""Every RPC that a server has, by asking the server: a new one is fuzzed without anybody thinking of it."""

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

import convscope.v1

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Rpc:
    """One method of one service."""

    path: str
    """/package.Service/Method"""
    request: Descriptor
    response: Descriptor
    takes_stream: bool
    gives_stream: bool

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """As it stands in Hypothesis's report of a failure."""
        printer.text(self.path)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def ours(self) -> bool:
        """Whether its refusals are written by us: not those of health and reflection."""
        return not self.path.startswith("/grpc.")


def rpcs_of(channel: grpc.Channel, metadata: Metadata) -> list[Rpc]:
    """All that a server says it has."""
    for module in pkgutil.iter_modules(convscope.v1.__path__):
        if module.name.endswith("_pb2"):
            import_module(f"convscope.v1.{module.name}")
    requests = iter([ServerReflectionRequest(list_services="")])
    answer = next(ServerReflectionStub(channel).ServerReflectionInfo(requests, metadata=metadata, timeout=30))
    pool = descriptor_pool.Default()
    return [
        Rpc(
            path=f"/{service.name}/{method.name}",
            request=method.input_type,
            response=method.output_type,
            takes_stream=method.client_streaming,
            gives_stream=method.server_streaming,
        )
        for service in answer.list_services_response.service
        for method in pool.FindServiceByName(service.name).methods
    ]
