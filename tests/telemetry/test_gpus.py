"""What /metrics tells of GPUs."""

import subprocess

import pytest

from convscope.services.common.telemetry.gpus import GpuCollector

NAMES = ["convscope_gpu_memory_used_bytes", "convscope_gpu_memory_bytes", "convscope_gpu_utilization_ratio"]


def has_driver() -> bool:
    try:
        return subprocess.run(["nvidia-smi"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(has_driver(), reason="there is a GPU")
def test_where_there_is_none_the_families_are_empty() -> None:
    families = list(GpuCollector().collect())
    assert [family.name for family in families] == NAMES
    assert all(family.documentation and not family.samples for family in families)


@pytest.mark.cuda
def test_each_gpu_tells_what_is_taken() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    held = torch.zeros(1 << 28, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    used, total, busy = ({s.labels["gpu"]: s.value for s in one.samples} for one in GpuCollector().collect())
    assert used.keys() == total.keys()
    assert len(used) >= torch.cuda.device_count()
    assert all(0 < used[gpu] <= total[gpu] for gpu in used)
    assert max(used.values()) >= held.numel()
    assert all(0 <= value <= 1 for value in busy.values())
