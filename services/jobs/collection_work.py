"""Long work on a collection, handed in: one job on it at a time."""

from collections.abc import Callable

import grpc
from google.longrunning.operations_pb2 import Operation

from convscope.services.common.admission import Admission
from convscope.services.common.call import Call
from convscope.services.common.collections.collection import Collection
from convscope.services.common.resource_names import collection_id
from convscope.services.common.store import reached
from convscope.services.jobs.answers import to_operation
from convscope.services.jobs.callers import caller_of
from convscope.services.jobs.collections import Collections
from convscope.services.jobs.desk import Desk
from convscope.services.jobs.orders import Order


class CollectionWork:
    """What every call has in common that begins work on a collection."""

    def __init__(self, desk: Desk, collections: Collections, calls: Admission) -> None:
        self._desk = desk
        self._collections = collections
        self._calls = calls

    def hand_in(self, resource: str, check: Callable[[Collection], Order], context: grpc.ServicerContext) -> Operation:
        """resource: of the collection. check: makes the order, or raises what is wrong with the request. Raises
        CollectionNotFound, CollectionBusy, and what Desk.hand_in() raises."""
        call = Call.of(context)
        with self._calls.place():
            collection = self._collections.find(collection_id(resource, field="collection"))
            order = check(collection)
            # The same call again is the job that it made, which may be at work.
            if not self._desk.knows(order, caller_of(context)):
                self._collections.check_idle(collection, field="collection")
            call.check()
            job = self._desk.hand_in(order, caller_of(context))
            with reached():
                self._collections.records.add_job(collection.id, job.id)
            return to_operation(job)
