"""Which optimiser? AdamW with bias correction, as a fastai `Optimizer`, on torch's fused kernel."""

from collections.abc import Iterable
from itertools import chain

import torch
from fastai.callback.core import Callback
from fastai.optimizer import Optimizer
from torch import Tensor, nn
from torch.optim.adamw import adamw

from steep.train.callback_order import At


class AdamW(Optimizer):
    """AdamW (Loshchilov & Hutter 2019) with the constants of BERT: betas .9 and .999, eps 1e-8.

    `params` is a list of layer groups. A fastai optimiser rather than a wrapped torch one, since
    only those honour `wd_bn_bias=False`: no decay on biases and norms.
    """

    scale: Tensor | None = None
    """What the gradients of the next step are divided by, within it; set by `Clip`."""

    def __init__(self, params: Iterable, lr: float, wd: float = 0.01) -> None:
        super().__init__(params, [], lr=lr, mom=0.9, sqr_mom=0.999, eps=1e-8, wd=wd)

    def zero_grad(self) -> None:
        """Drop the gradients. (Zeroed ones are written, and read again by the next backward.)"""
        for p, *_ in self.all_params(with_grad=True):
            p.grad = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step of all parameters that have a gradient, in place, group by group."""
        for group, hyper in zip(self.param_lists, self.hypers, strict=True):
            moving = [p for p in group if p.requires_grad and p.grad is not None]
            for decays in (True, False):
                some = [p for p in moving if self.state[p].get("do_wd", True) is decays]
                self._move(some, hyper, hyper["wd"] if decays else 0.0)
        self.scale = None

    def _move(self, params: list[Tensor], hyper: dict[str, float], decay: float) -> None:
        states = [self._state(p) for p in params]
        adamw(
            params,
            [p.grad for p in params],  # type: ignore[misc]  # they have one
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["steps"] for state in states],
            fused=True,
            grad_scale=self.scale,
            amsgrad=False,
            beta1=hyper["mom"],
            beta2=hyper["sqr_mom"],
            lr=hyper["lr"],
            weight_decay=decay,
            eps=hyper["eps"],
            maximize=False,
        )

    def _state(self, p: Tensor) -> dict[str, Tensor]:
        """The moments of a parameter: float32 (its shape), and how many steps it has made."""
        state = self.state[p]
        if "mean" not in state:
            state["mean"], state["square"] = torch.zeros_like(p), torch.zeros_like(p)
            state["steps"] = torch.zeros((), dtype=torch.float32, device=p.device)
        return state


class Clip(Callback):
    """Bounds the norm of the gradient by `most`, as `clip_grad_norm_` does.

    The optimiser divides within its own pass over the gradients, which saves one over memory.
    """

    order, run_valid = At.CLIP, False

    def __init__(self, most: float) -> None:
        self.most = most

    def before_step(self) -> None:
        params = chain.from_iterable(self.opt.param_lists)
        grads = [p.grad for p in params if p.grad is not None]
        norm = nn.utils.get_total_norm(grads)
        self.opt.scale = (norm / self.most).clamp(min=1)
