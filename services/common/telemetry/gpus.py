"""The GPUs of this machine, as their driver tells them when Prometheus asks."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector


class GpuCollector(Collector):
    """Memory and utilisation of each GPU that this process may see; nothing where there is none.

    By NVML and not by torch: a process that only counts must not open a CUDA context.
    """

    def collect(self) -> Iterable[Metric]:
        used = GaugeMetricFamily(
            "convscope_gpu_memory_used_bytes", "Memory of the GPU that is taken, by anybody", labels=["gpu"]
        )
        total = GaugeMetricFamily("convscope_gpu_memory_bytes", "Memory that the GPU has", labels=["gpu"])
        busy = GaugeMetricFamily(
            "convscope_gpu_utilization_ratio", "Part of the last moments in which the GPU computed", labels=["gpu"]
        )
        for number, (memory, rates) in enumerate(_gpus()):
            used.add_metric([str(number)], memory.used)
            total.add_metric([str(number)], memory.total)
            if rates is not None:
                busy.add_metric([str(number)], rates.gpu / 100)
        return [used, total, busy]


def _gpus() -> list[tuple[Any, Any]]:
    """Of each: memory and, where the driver tells it (a slice of a GPU has none), utilisation."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        found = []
        for number in range(pynvml.nvmlDeviceGetCount()):
            handle, rates = pynvml.nvmlDeviceGetHandleByIndex(number), None
            with suppress(pynvml.NVMLError):
                rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
            found.append((pynvml.nvmlDeviceGetMemoryInfo(handle), rates))
        return found
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
