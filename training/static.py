"""Train a static table: one vector per word piece, so that the sums of a query and its passage are close."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax, normalize, softmax

from export.graph import Array
from training.bags import Batch, PairBags

MASKED = -1e4


@dataclass(frozen=True, slots=True)
class Schedule:
    """One pass over the pairs."""

    batch: int = 2048
    run: int = 16
    """Neighbouring pairs that stay together in a batch."""
    learning_rate: float = 0.03
    temperature: float = 0.05
    warm_up: int = 50
    topics: int = 0
    """Number of topics for sorting the pairs first; requires a table to start from."""


Report = Callable[[int, int, float], None]
"""Called after each step with its number, the number of steps and the smoothed loss."""


def train(
    pairs: PairBags,
    parts: Any,
    dim: int,
    schedule: Schedule,
    *,
    seed: int,
    start: Array | None = None,
    report: Report | None = None,
) -> Array:
    """Return a table, float32 (vocabulary, dim), trained in one pass over `pairs` from `start` or from random rows.

    `parts` is the composition of the vocabulary. The loss is the symmetric contrastive one (InfoNCE) over the batch,
    averaged with the divergence from the teacher's view of it if the pairs have one.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    if schedule.topics and start is not None:
        pairs.sort_by_topic(start, schedule.topics, random)
    table = _Table(parts, dim, pairs.inverse_document_frequency(), start)
    optimiser = torch.optim.Adam(
        [
            {"params": [table.parts], "lr": 1.6 * schedule.learning_rate / sqrt(dim)},
            {"params": [table.log_scales], "lr": 0.3 * schedule.learning_rate},
        ],
        betas=(0.9, 0.99),
        eps=1e-10,
    )
    steps = max(len(pairs) // schedule.batch, 1)
    factor = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / schedule.warm_up) * max(1 - step / (steps + 1), 0)
    )
    smoothed = 0.0
    for step, batch in enumerate(pairs.batches(min(schedule.batch, len(pairs)), schedule.run, random), 1):
        loss = _loss(table(), batch, schedule.temperature)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        factor.step()
        smoothed += (loss.item() - smoothed) / min(step, 50)
        if report:
            report(step, steps, smoothed)
    with torch.no_grad():
        folded: Array = table().numpy()
    return folded


class _Table(torch.nn.Module):
    """Learnt parts, summed and scaled to rows, added to `start` if given."""

    def __init__(self, composition: Any, dim: int, idf: Array, start: Array | None) -> None:
        super().__init__()
        self._composition = composition
        self._start = None if start is None else torch.from_numpy(start)
        count = composition.shape[1]
        fresh = torch.zeros(count, dim) if start is not None else torch.randn(count, dim) / sqrt(dim)
        self.parts = torch.nn.Parameter(fresh)
        # Rare words are more informative: rows start with the length of their inverse document frequency.
        self.log_scales = torch.nn.Parameter(
            torch.zeros(len(idf)) if start is not None else torch.from_numpy(idf).log()
        )

    def forward(self) -> torch.Tensor:
        rows = _product(self._composition, self.parts)
        if self._start is not None:
            rows = self._start + self._start.norm(dim=1, keepdim=True).clamp_min(1e-3) * rows
        return rows * self.log_scales.exp()[:, None]


class _Product(torch.autograd.Function):
    """A constant sparse SciPy matrix times a dense tensor, several times as fast as torch's own product."""

    @staticmethod
    def forward(context: Any, dense: torch.Tensor, matrix: Any) -> torch.Tensor:
        context.matrix = matrix
        return torch.from_numpy(matrix @ dense.detach().numpy())

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(context.matrix.T @ np.ascontiguousarray(gradients[0].numpy())), None


def _product(matrix: Any, dense: torch.Tensor) -> torch.Tensor:
    product: torch.Tensor = _Product.apply(dense, matrix)  # type: ignore[no-untyped-call]
    return product


def _loss(table: torch.Tensor, batch: Batch, temperature: float) -> torch.Tensor:
    queries = normalize(_product(batch.queries, table), dim=1)
    passages = normalize(_product(batch.passages, table), dim=1)
    documents = torch.from_numpy(batch.documents)
    same = documents[:, None] == documents[None]
    same.fill_diagonal_(False)
    scores = (queries @ passages.T / temperature).masked_fill(same, MASKED)
    wanted = torch.arange(len(scores))
    loss = (cross_entropy(scores, wanted) + cross_entropy(scores.T, wanted)) / 2
    if batch.teacher is None:
        return loss
    taught = torch.from_numpy(batch.teacher[0] @ batch.teacher[1].T)
    view = (taught / temperature).masked_fill(same, MASKED)
    return (loss + kl_div(log_softmax(scores, dim=1), softmax(view, dim=1), reduction="batchmean")) / 2
