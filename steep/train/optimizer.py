"""Which optimiser? AdamW with bias correction, as a fastai `Optimizer`, on torch's fused kernel."""

from collections.abc import Iterable

import torch
from fastai.optimizer import Optimizer
from torch import Tensor
from torch.optim.adamw import adamw


def adam_w(params: Iterable, lr: float, wd: float = 0.01) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019) with the constants of BERT: betas .9 and .999, eps 1e-8.

    `params` is a list of layer groups. A fastai optimiser rather than a wrapped torch one, since
    only those honour `wd_bn_bias=False`: no decay on biases and norms.
    """
    return Optimizer(params, [_step], lr=lr, mom=0.9, sqr_mom=0.999, eps=1e-8, wd=wd)


def _step(
    p: Tensor,
    lr: float,
    mom: float,
    sqr_mom: float,
    eps: float,
    wd: float,
    do_wd: bool = True,
    force_train: bool = False,
    mean: Tensor | None = None,
    square: Tensor | None = None,
    steps: Tensor | None = None,
) -> dict[str, Tensor] | None:
    """One step of one parameter, in place; returns its new state."""
    if not p.requires_grad:  # frozen, though a gradient of zeros may be left from before
        return None
    if mean is None or square is None or steps is None:
        mean, square = torch.zeros_like(p), torch.zeros_like(p)
        steps = torch.zeros((), dtype=torch.float32, device=p.device)
    with torch.no_grad():
        adamw(
            [p],
            [p.grad],  # type: ignore[list-item]  # fastai calls this with gradients only
            [mean],
            [square],
            [],
            [steps],
            fused=True,
            amsgrad=False,
            beta1=mom,
            beta2=sqr_mom,
            lr=lr,
            weight_decay=wd if do_wd else 0.0,
            eps=eps,
            maximize=False,
        )
    return {"mean": mean, "square": square, "steps": steps}
