"""When does each callback act? THE table of the training loop: fastai calls them by `order`.

At every event of a fit (before_train, before_batch, after_loss, ...) callbacks act one after the
other, the lowest number first. fastai's own: -10 sets the training mode, 0 is the user's unless it
says otherwise, 50 is the Recorder, 60 the scheduler of learning rates.
"""

from enum import IntEnum


class At(IntEnum):
    """The `order` of each callback of Steep, in which they act, and why there."""

    # Before a training epoch: what trains in it, once fastai has set the training mode.
    FROZEN_FEATURES = -7  # computes them in evaluation mode, before layers are set to train
    UNFREEZE = -6  # which layers train: before dropout, which follows from that
    FROZEN_WITHOUT_DROPOUT = -5  # after whoever freezes, Steep or fastai's `freeze_to`
    # Around a batch.
    CLIP = 11  # as fastai's GradientClip: after 10, where mixed precision unscales gradients
    PLAIN_LOSSES = 51  # after the Recorder, whose list it keeps plain
    RESUME = 55  # after fastai's own, before all that reads what is restored
    ACCUMULATION = 58  # after random numbers are restored: it computes most of the batch
    STOP_IF_DIVERGED = 59  # after the loss of the parts is added up
    # After a validation: scores first, then what is made of them.
    MEASURE = 60  # masked loss and accuracy, and what else an objective measures
    GUESSES = 61  # what was guessed at masked tokens
    PROBE = 65  # a linear classifier on the encoder's features
    SCORES = 70  # of a classifier; the best epoch's weights are copied
    BAR = 80  # counts tokens and seconds: before the line of history that says them
    HISTORY = 90  # the line of history: all scores are there
    FOLLOW_HISTORY = 92  # sends the line on: before BEST may end the training
    BEST = 95  # may end the training: after the line of history is written
    # Last: whatever happens after a batch is in the save, and an epoch that is saved is not over.
    SAVER = 1000
    EPOCHS = 1001
