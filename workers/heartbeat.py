"""A file that is touched while the worker is connected and takes jobs."""

from pathlib import Path
from typing import Any

from celery import bootsteps

BEAT_SECONDS = 1.0


def heartbeat(file: Path) -> type[bootsteps.StartStopStep]:
    """A step of the consumer: it begins when the broker is there, ends when it has gone, and beats in the loop that
    also takes messages, so that a loop that hangs is seen. Jobs run in the children and do not hold it up."""

    class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            file.touch()
            self._timer = consumer.timer.call_repeatedly(BEAT_SECONDS, file.touch)

        def stop(self, consumer: Any) -> None:
            self._timer.cancel()
            file.unlink(missing_ok=True)

    return Heartbeat
