"""What the three trainings share."""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

BATCH = 128


def train(
    module: nn.Module, count: int, loss: Callable[[Tensor], Tensor], *, epochs: int, seed: int, rate: float
) -> None:
    """AdamW with one cycle of the learning rate (Smith 2018).

    count: of the examples. loss: of those at the places int64 [B].
    """
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * (count // BATCH)
    optimizer = torch.optim.AdamW(module.parameters(), rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.2)
    module.train()
    begun = time.monotonic()
    for epoch in range(1, epochs + 1):
        total = 0.0
        order = torch.randperm(count, generator=generator)
        for places in torch.split(order, BATCH):
            if len(places) < BATCH:
                continue
            value = loss(places)
            optimizer.zero_grad()
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += value.item()
        print(
            f"epoch {epoch} of {epochs}: loss {total / (count // BATCH):.4f}, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
    module.eval()
