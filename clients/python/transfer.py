"""One file on its way: how much of it has come, and whether it is the one that the job has left."""

from collections.abc import Iterator
from hashlib import sha256

from convscope.client.errors import ServerFault
from convscope.client.job_info import Artifact
from convscope.client.plans import Plan
from convscope.client.resuming import Course
from convscope.v1.job_service_pb2 import DownloadArtifactRequest, DownloadArtifactResponse


class Transfer(Course[bytes]):
    """Every byte of an artifact once, in their order, however many streams it takes."""

    def __init__(self, job: str, artifact: Artifact) -> None:
        self.name = f"{job}/artifacts/{artifact.name}"
        self._artifact = artifact
        self._digest = sha256()
        self._offset = 0
        self._began = 0
        """Where the stream that is open began."""
        self.over = artifact.size == 0

    def plan(self) -> Plan[Iterator[bytes]]:
        self._began = self._offset
        request = DownloadArtifactRequest(name=self.name, offset=self._offset)
        return Plan(lambda stubs: stubs.jobs.DownloadArtifact, request, self._take)

    def ended(self) -> None:
        """Raises ServerFault where the server has no more bytes to give."""
        if self._offset == self._began:
            raise ServerFault(f"{self.name} ends after {self._offset} of {self._artifact.size} bytes")

    def check(self) -> None:
        """Raises ServerFault where what has come is not what the job has left."""
        if self._digest.hexdigest() != self._artifact.sha256.lower():
            raise ServerFault(f"{self.name} is damaged: its SHA-256 is not that of its record")

    def _take(self, response: DownloadArtifactResponse) -> Iterator[bytes]:
        if response.offset != self._offset:
            raise ServerFault(f"{self.name} came from byte {response.offset} on instead of {self._offset}")
        self._offset += len(response.data)
        if self._offset > self._artifact.size:
            raise ServerFault(f"{self.name} is longer than the {self._artifact.size} bytes of its record")
        self._digest.update(response.data)
        self.over = self._offset == self._artifact.size
        yield response.data
