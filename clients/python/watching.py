"""One watch over a job: which events have come, and whether the last has."""

from collections.abc import Iterator

from convscope.client import job_plans
from convscope.client.job_events import ENDED, Event, StateChange
from convscope.client.job_info import JobInfo
from convscope.client.job_parse import to_event
from convscope.client.plans import Plan
from convscope.client.resuming import Course
from convscope.v1.job_service_pb2 import WatchJobRequest, WatchJobResponse


class Watch(Course[Event]):
    """Every event behind `after` once, in the order of their numbers, however many streams it takes."""

    def __init__(self, name: str, after: int) -> None:
        self._name = name
        self._last = after

    def plan(self) -> Plan[Iterator[Event]]:
        request = WatchJobRequest(name=self._name, after=self._last)
        return Plan(lambda stubs: stubs.jobs.WatchJob, request, self._take)

    def ended(self) -> Plan[None]:
        # A job that had ended before the watch began has nothing to tell behind its last event.
        return job_plans.get_job(self._name).then(self._settle)

    def _take(self, response: WatchJobResponse) -> Iterator[Event]:
        if response.event.sequence <= self._last:
            return
        self._last = response.event.sequence
        event = to_event(response.event)
        if event is not None:
            self.over = isinstance(event, StateChange) and event.state in ENDED
            yield event

    def _settle(self, info: JobInfo) -> None:
        self.over = info.over and info.last_event <= self._last
