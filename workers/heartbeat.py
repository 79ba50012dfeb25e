"""Files that are touched while the worker is connected and takes jobs, and while it is alive at all."""

from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.worker.consumer import Consumer

from convscope.workers.probe import alive_file

BEAT_SECONDS = 1.0


def heartbeat(file: Path) -> type[bootsteps.StartStopStep]:
    """A step of the consumer: it begins when the broker is there, ends when it has gone, and beats in the loop that
    also takes messages, so that a loop that hangs is seen. Jobs run in the children and do not hold it up."""

    def beat() -> None:
        file.touch()
        alive_file(file).touch()

    class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            beat()
            self._timer = consumer.timer.call_repeatedly(BEAT_SECONDS, beat)

        def stop(self, consumer: Any) -> None:
            self._timer.cancel()
            file.unlink(missing_ok=True)

    return Heartbeat


def patient_consumer(file: Path) -> type[Consumer]:
    """A consumer that beats while it waits for the broker: who waits is alive, and to begin again would not help."""
    alive = alive_file(file)

    class PatientConsumer(Consumer):  # type: ignore[misc]
        def ensure_connected(self, connection: Any) -> Any:
            ensure = connection.ensure_connection

            def ensure_connection(*arguments: Any, callback: Any, **options: Any) -> Any:
                """Celery's callback is called each second between two attempts, and ends the wait at a signal."""

                def each_second() -> None:
                    alive.touch()
                    callback()

                return ensure(*arguments, callback=each_second, **options)

            alive.touch()
            connection.ensure_connection = ensure_connection
            return super().ensure_connected(connection)

    return PatientConsumer
