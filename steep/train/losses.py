"""Which losses are there? Pure functions: logits and targets -> the loss of every row.

Of one class a row, targets are distributions (rows, labels): one-hot, smoothed or soft.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from steep.args.training import LossArgs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models.heads import activation
from steep.wording import counted

GAMMA = 2.0  # of the focal loss: the value that Lin et al. settle on
DISTANCE = 2.0  # of neighbours among ordered classes: each has e^-2 of the true class's share


def smoothed(targets: Tensor, share: float) -> Tensor:
    """Distributions (rows, labels) with `share` of them spread evenly over all labels.

    Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7.
    """
    return targets if share == 0 else (1 - share) * targets + share / targets.shape[-1]


def graded(classes: Tensor, count: int) -> Tensor:
    """Distributions (rows, count) around ordered classes: a share falls by its distance.

    The softmax of minus `DISTANCE` times the distance in classes (Díaz & Marathe 2019, "Soft Labels
    for Ordinal Regression", equation 2).
    """
    apart = (torch.arange(count, device=classes.device) - classes[:, None]).abs()
    return (-DISTANCE * apart).softmax(-1)


def cross_entropy(logits: Tensor, targets: Tensor, gamma: float = 0.0) -> Tensor:
    """Cross-entropy (rows,) of softmax(logits) and distributions (rows, labels).

    With `gamma`, the focal loss -(1 - p)^gamma log p (Lin, Goyal, Girshick, He & Dollár 2017,
    "Focal Loss for Dense Object Detection", equation 4, for each class by its share).
    """
    logs = logits.log_softmax(-1)
    return -(targets * _doubt(logs, gamma) * logs).sum(-1)


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, gamma: float = 0.0, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy (rows, labels) of sigmoid(logits) and targets from 0 to 1; `gamma` as above."""
    targets = targets * (1 - smoothing) + smoothing / 2
    yes, no = (torch.nn.functional.logsigmoid(sign * logits) for sign in (1, -1))
    return -(targets * _doubt(yes, gamma) * yes + (1 - targets) * _doubt(no, gamma) * no)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error (rows,) or (rows, targets)."""
    return (outputs - targets) ** 2


def _doubt(logs: Tensor, gamma: float) -> Tensor | float:
    """(1 - p)^gamma of log probabilities; its gradient is finite where p is 1."""
    if gamma == 0:
        return 1.0
    return (-torch.expm1(logs)).clamp(min=torch.finfo(logs.dtype).tiny) ** gamma


@dataclass
class Loss:
    """The loss of a task, as fastai calls it: outputs, labels and perhaps weights -> a number.

    `mean` and `deviation` of the targets make a regression learn numbers around 0; () where it
    predicts in its own units. `activation` turns outputs into what predictions are.
    """

    task: Task
    args: LossArgs
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    reduction: str = "mean"  # fastai sets it to "none" for the loss of each row

    def __call__(self, outputs: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        losses = self.of_rows(outputs.as_subclass(Tensor), labels.as_subclass(Tensor))
        if weights is not None:
            own = weights.to(losses)  # of rows, or of each label of each row
            losses = losses * (own[:, None] if own.ndim < losses.ndim else own)
        if self.reduction == "mean":
            return losses.mean()
        return losses.flatten(1).mean(1) if losses.ndim > 1 else losses

    def of_rows(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The losses (rows,), or (rows, labels) where each label has its own."""
        gamma = GAMMA if self.args.loss == "focal" else 0.0
        if self.task.kind == "multi":
            return binary_cross_entropy(
                outputs, labels.to(outputs), gamma, self.args.label_smoothing
            )
        if self.task.kind == "regression":
            columns = outputs[:, 0] if labels.ndim == 1 else outputs
            return squared_error(columns, self._scaled(labels, outputs))
        targets = self._shares(labels, outputs.shape[-1]).to(outputs)
        return cross_entropy(outputs, smoothed(targets, self.args.label_smoothing), gamma)

    def _shares(self, labels: Tensor, count: int) -> Tensor:
        if labels.ndim == 2:
            return labels
        if self.task.ordered:
            return graded(labels, count)
        # torch's one_hot looks at the labels first, which waits for them
        return labels[:, None] == torch.arange(count, device=labels.device)

    def _scaled(self, labels: Tensor, like: Tensor) -> Tensor:
        if not self.mean:
            return labels.to(like)
        mean, deviation = (torch.tensor(x).to(labels) for x in (self.mean, self.deviation))
        return ((labels - mean) / deviation).to(like)

    def activation(self, outputs: Tensor) -> Tensor:
        """Outputs (rows, labels) as probabilities, or targets in their own units."""
        if not self.mean:
            return activation(outputs, self.task.kind)
        mean, deviation = (torch.tensor(x).to(outputs) for x in (self.mean, self.deviation))
        return activation(outputs * deviation + mean, self.task.kind)

    def decodes(self, predictions: Tensor) -> Tensor:
        """What is decided: class indices, labels 0/1, or targets as they are."""
        if self.task.kind == "regression":
            return predictions
        return predictions > 0.5 if self.task.kind == "multi" else predictions.argmax(-1)

    def truth(self, labels: Tensor) -> Tensor:
        """Labels as metrics count them: of probabilities, the most probable class or labels."""
        if self.task.kind == "single":
            return labels if labels.ndim == 1 else labels.argmax(-1)
        return (labels >= 0.5).to(labels) if self.task.kind == "multi" else labels

    def accuracy(self, outputs: Tensor, labels: Tensor, *weights: Tensor) -> Tensor:
        """Share of labels that are right: what a Learner shows after each epoch."""
        return (self.decodes(self.activation(outputs)) == self.truth(labels)).float().mean()

    def rmse(self, outputs: Tensor, labels: Tensor, *weights: Tensor) -> Tensor:
        """Root mean squared error in the targets' own units, shown likewise."""
        return squared_error(self.activation(outputs), labels).mean().sqrt()


def loss_for(
    task: Task, labels: np.ndarray, args: LossArgs, weights: np.ndarray | None = None
) -> Loss:
    """The loss of a task; `labels`, and perhaps `weights`, are those of the training rows.

    Raises SteepError where no row has a weight above 0, as may be with few of them.
    """
    if weights is not None and not weights.any():
        raise SteepError(
            f"sample_weight: each of the {counted(len(weights), 'training row')} has weight 0, so "
            "nothing could be learnt. Use more rows, or others."
        )
    if task.kind != "regression":
        return Loss(task, args)
    # Targets of mean 0 and deviation 1: the rates that suit classifiers then suit them, too.
    columns = labels.reshape(len(labels), -1)
    mean = np.average(columns, axis=0, weights=weights)
    deviation = np.average((columns - mean) ** 2, axis=0, weights=weights) ** 0.5
    spread = np.where(deviation > 0, deviation, 1.0)
    return Loss(task, args, tuple(mean.tolist()), tuple(spread.tolist()))
