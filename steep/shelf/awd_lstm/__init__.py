"""ULMFiT as published, as an arm of a study: fastai's AWD-LSTM (Howard & Ruder 2018).

A feature that the core does not know: `arm` gives a study its arm awd-lstm. It needs
train/awd_lstm.py, and fastai's pre-trained weights.
"""

from typing import TYPE_CHECKING

from steep.openings import AwdArgs

if TYPE_CHECKING:
    from steep.study.arms import Arm


def arm(args: AwdArgs) -> "Arm":
    """The arm awd-lstm, from the weights in `args.awd_lstm` or in fastai's cache."""
    from steep.shelf.awd_lstm.awd_arm import awd_lstm_arm

    return awd_lstm_arm(args.awd_lstm)
