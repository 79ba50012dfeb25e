"""The jobs services, put together."""

import threading

import grpc
from google.longrunning.operations_pb2 import DESCRIPTOR as OPERATIONS
from google.longrunning.operations_pb2_grpc import add_OperationsServicer_to_server

from convscope.services.common.access.step_quota import StepQuota
from convscope.services.common.admission import Admission
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.collections.shards import Shards
from convscope.services.common.errors import ArtifactsAway
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.events import BLOCK_SECONDS
from convscope.services.common.jobs.kinds import KINDS
from convscope.services.common.jobs.messages import Messages, celery_app
from convscope.services.common.jobs.records import JobRecords
from convscope.services.common.store import connect
from convscope.services.jobs.caretaker import Caretaker
from convscope.services.jobs.collection_servicer import CollectionServicer
from convscope.services.jobs.collection_work import CollectionWork
from convscope.services.jobs.collections import Collections
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.evaluation_servicer import EvaluationServicer
from convscope.services.jobs.job_servicer import JobServicer
from convscope.services.jobs.operations_servicer import OperationsServicer
from convscope.services.jobs.settings import JobsSettings
from convscope.services.jobs.synthesis_servicer import SynthesisServicer
from convscope.v1 import collection_service_pb2, evaluation_service_pb2, job_service_pb2, synthesis_service_pb2
from convscope.v1.collection_service_pb2_grpc import add_CollectionServiceServicer_to_server
from convscope.v1.evaluation_service_pb2_grpc import add_EvaluationServiceServicer_to_server
from convscope.v1.job_service_pb2_grpc import add_JobServiceServicer_to_server
from convscope.v1.synthesis_service_pb2_grpc import add_SynthesisServiceServicer_to_server


class JobsPart:
    """SynthesisService, CollectionService, EvaluationService, JobService and Operations, with the caretaker."""

    services: tuple[str, ...] = (
        synthesis_service_pb2.DESCRIPTOR.services_by_name["SynthesisService"].full_name,
        collection_service_pb2.DESCRIPTOR.services_by_name["CollectionService"].full_name,
        evaluation_service_pb2.DESCRIPTOR.services_by_name["EvaluationService"].full_name,
        job_service_pb2.DESCRIPTOR.services_by_name["JobService"].full_name,
        OPERATIONS.services_by_name["Operations"].full_name,
    )

    def __init__(self, settings: JobsSettings) -> None:
        """Raises StoreMisnamed for a redis_url that is none, ArtifactsAway for an artifacts_url that no fsspec package
        knows."""
        self.threads = settings.queue_limit + settings.watch_limit
        self._stopping = threading.Event()
        address = settings.store()
        store, patient = connect(address), connect(address, patience=BLOCK_SECONDS + 2)
        try:
            artifacts = Artifacts(settings.artifacts_url)
        except (ValueError, ImportError, OSError) as error:
            raise ArtifactsAway(f"artifacts_url: {error}") from error
        records, shards = JobRecords(store, KINDS), Shards(store)
        messages = Messages(celery_app(address), store)
        self._caretaker = Caretaker(records, artifacts, messages, shards)
        desk = Desk(
            records, artifacts, messages, self._caretaker, patient=patient, steps=StepQuota(store), limits=settings
        )
        calls, watches = Admission(settings.queue_limit, "calls"), Admission(settings.watch_limit, "watches")
        collections = Collections(CollectionRecords(store), records, artifacts, max_pixels=settings.max_image_pixels)
        work = CollectionWork(desk, collections, calls)
        self._synthesis = SynthesisServicer(desk, store, collections, calls=calls, limits=settings)
        self._collections = CollectionServicer(
            desk, collections, store, work, calls=calls, uploads=watches, limits=settings
        )
        self._evaluation = EvaluationServicer(work, store, settings)
        self._jobs = JobServicer(desk, watches, self._stopping)
        self._operations = OperationsServicer(desk, watches, self._stopping)

    def add_to(self, server: grpc.Server) -> None:
        add_SynthesisServiceServicer_to_server(self._synthesis, server)
        add_CollectionServiceServicer_to_server(self._collections, server)
        add_EvaluationServiceServicer_to_server(self._evaluation, server)
        add_JobServiceServicer_to_server(self._jobs, server)
        add_OperationsServicer_to_server(self._operations, server)

    def load(self) -> None:
        """Begin to take care of the jobs. A store that is away may come."""
        self._caretaker.start()

    def let_go(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._caretaker.close()
