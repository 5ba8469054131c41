"""The best model for your minutes: a frozen encoder, fit, step 2 and self-training, one by one.

A feature that the core does not know: it calls `fit`, `adapt` and `self_train`. It needs no file of
train/.
"""

from dataclasses import dataclass

from steep.args import FitArgs
from steep.args.pretraining import MinutesArgs, PassArgs, PretrainArgs
from steep.options import change, own_table

MINUTES = 10.0  # of step 2, where nothing else is asked for


@dataclass(frozen=True, kw_only=True)
class AutoArgs:
    """steep auto: the best of several ways to a model.

    Step 2 is `adapt`, a table of its own, but for `budget`.
    """

    fit: FitArgs = FitArgs()
    budget: MinutesArgs = MinutesArgs()
    adapt: PretrainArgs = own_table(PretrainArgs())

    @property
    def pretrain(self) -> PretrainArgs:
        """Step 2 with its budget; SteepError where there are two of them."""
        own, minutes = self.adapt, self.budget.minutes
        if minutes is None and own.passes == PassArgs() and own.budget.minutes is None:
            minutes = MINUTES
        return own if minutes is None else change(own, {"minutes": minutes})
