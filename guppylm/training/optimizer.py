"""Turns gradients into better weights: Muon for the matrices inside the blocks, AdamW for the rest.

A gradient says in which direction each weight should move; an optimizer decides how far. AdamW gives
every number its own step length, from how large its gradients have lately been. Muon looks at a matrix
as one thing: it replaces the gradient by the nearest matrix that stretches nothing, so that the few
directions which dominate a gradient do not drown the many weak ones, which carry what is rare. On this
model it comes to the same loss in a fraction of the tokens (benchmarks/train.py measures it).

    embeddings, biases, LayerNorms      AdamW    a row of an embedding is a name, not a direction to mix
    q, k, v, out, up, down of a block   Muon     q, k and v stand in one matrix and are three things

The sizes of all steps follow one schedule: a short ramp, then a straight line down to zero.

Deliberately not: gradient clipping. Both optimizers already throw the length of a gradient away, so a
sudden steep one cannot push the weights further than a flat one.

Sources: Keller Jordan et al., "Muon" (kellerjordan.github.io/posts/muon, 2024); Liu et al., "Muon is
scalable for LLM training" (arXiv 2502.16982); Loshchilov and Hutter, AdamW (arXiv 1711.05101).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from guppylm.training.device import Cores

# The polynomial 3.4445 s - 4.7750 s^3 + 2.0315 s^5, applied again and again, takes every singular value s
# from (0, 1] to about 1. Its slope at 0 is as steep as can be, so that five times are enough (Jordan 2024).
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """How far to step. Both learning rates are about what a weight changes by in one step, at most."""

    matrix_lr: float = 0.01  # Muon
    other_lr: float = 0.01  # AdamW
    weight_decay: float = 0.1  # share of a weight, times the learning rate, that each step takes away
    momentum: float = 0.95  # Muon steps along the mean gradient of about the last 20 steps (Jordan 2024)
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW: the mean of 10 gradients, their size over 20 (GPT-3, B)
    warm_up: float = 0.03  # share of the run; the first means are of few gradients, so step small


def learning_rate_at(fraction: float, *, warm_up: float) -> float:
    """Return which share of the full learning rate to use when `fraction` of a run is done, both 0 to 1.

    A ramp from a tenth, then straight to zero, which ends lower than a cosine or a floor of a tenth:
    Bergsma et al., "Straight to zero" (arXiv 2502.15938).
    """
    if fraction < warm_up:
        return 0.1 + 0.9 * fraction / warm_up
    return max(0.0, (1 - fraction) / (1 - warm_up))


def build(
    model: nn.Module, settings: OptimizerSettings, *, dtype: torch.dtype = torch.float32, cores: Cores | None = None
) -> list[torch.optim.Optimizer]:
    """Return the optimizers that together cover every parameter of `model` once.

    `dtype` is what Muon multiplies its matrices in (a rough result will do, so take what is fast), and `cores` share
    them out.
    """
    matrices, embeddings, vectors = [], [], []
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            vectors.append(parameter)
        elif name.startswith("blocks."):
            matrices.append((parameter, 3 if name.endswith("qkv.weight") else 1))
        else:
            embeddings.append(parameter)
    muon = Muon(
        matrices,
        lr=settings.matrix_lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        dtype=dtype,
        cores=cores,
    )
    groups = [
        {"params": embeddings, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},  # a LayerNorm's gain belongs at 1, not at 0
    ]
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in model.parameters())
    adamw = torch.optim.AdamW(groups, lr=settings.other_lr, betas=settings.betas, fused=fused)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["full_lr"] = group["lr"]
    return [muon, adamw]


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], share: float) -> None:
    """Use this share of the full learning rate from now on."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = share * group["full_lr"]


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal, for matrices.

    torch has one since 2.9. This one takes q, k and v apart, works on all matrices of one shape at once,
    and multiplies in the format that is fast here; torch's always takes bf16, which many CPUs emulate.

    Args:
        matrices: (parameter, n): the parameter holds n matrices of equal height, one below the other.
        cores: which share the matrices among them.
    """

    def __init__(
        self,
        matrices: Iterable[tuple[nn.Parameter, int]],
        *,
        lr: float,
        momentum: float,
        weight_decay: float,
        dtype: torch.dtype,
        cores: Cores | None = None,
    ) -> None:
        matrices = list(matrices)
        self._cores = cores or Cores(1)
        self._n_parts = dict(matrices)
        self._dtype = dtype
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([parameter for parameter, _ in matrices], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            with_gradient = [parameter for parameter in group["params"] if parameter.grad is not None]
            # A GPU is quick with many matrices at once, a core with few that fit into its cache.
            is_alone = self._cores.n_cores == 1
            portions = _by_shape(with_gradient) if is_alone else [[parameter] for parameter in with_gradient]
            step = partial(self._step, lr=group["lr"], momentum=group["momentum"], decay=group["weight_decay"])
            self._cores.map(step, portions)

    @torch.no_grad()
    def _step(self, alike: list[Tensor], *, lr: float, momentum: float, decay: float) -> None:
        """One step for parameters of one shape (R, C)."""
        directions = torch.stack([self._direction(parameter, momentum) for parameter in alike])  # (N, R, C)
        n_parts = self._n_parts[alike[0]]
        rows, columns = directions.shape[1] // n_parts, directions.shape[2]
        steps = orthogonal(directions.view(-1, rows, columns), dtype=self._dtype)  # (N * n_parts, R', C)
        # An orthogonal matrix has entries of size 1 / sqrt(longer side). Times that they are of size 1, and
        # 0.2 is how large AdamW's are in practice, so both can use like learning rates (2502.16982, 2.2).
        size = 0.2 * max(rows, columns) ** 0.5
        for parameter, step in zip(alike, steps.reshape_as(directions).unbind(), strict=True):
            parameter.mul_(1 - lr * decay)
            parameter.add_(step, alpha=-lr * size)

    def _direction(self, parameter: Tensor, momentum: float) -> Tensor:
        """Return the mean of the last gradients, with the newest counted once more (Nesterov)."""
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        mean = state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(mean, momentum)


def orthogonal(matrices: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return for each of (N, R, C) about the nearest matrix whose singular values are all one.

    Newton-Schulz: an odd polynomial of a matrix acts on its singular values alone. Five rounds bring
    them to between 0.7 and 1.2, which is near enough (Jordan 2024).
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices  # the shorter side first: the squares below are smaller
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(dtype)  # singular values into (0, 1]
    for _ in range(5):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def _by_shape(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    groups: defaultdict[torch.Size, list[Tensor]] = defaultdict(list)
    for parameter in parameters:
        groups[parameter.shape].append(parameter)
    return list(groups.values())
