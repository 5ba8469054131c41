"""Do the callbacks keep to the epochs, and the masked scores to the masked tokens?"""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from steep.args.training import LayerArgs, OptimiserArgs
from steep.train.callbacks import Epochs, FollowHistory, gentler
from steep.train.heldout import MaskedScores
from steep.train.pile import IGNORED


def test_what_diverged_is_told_with_all_that_may_have_done_it() -> None:
    usual, decayed = (
        OptimiserArgs(learning_rate=0.5),
        OptimiserArgs(learning_rate=0.5, weight_decay=900),
    )
    assert gentler(usual, LayerArgs()) == "Choose a learning_rate below 0.5."
    assert gentler(decayed).endswith(" or a weight_decay below 900.")
    alone = LayerArgs(head_epochs=1, head_learning_rate=9)
    assert "or a head_learning_rate below 9" in gentler(usual, alone)
    assert "head" not in gentler(usual, LayerArgs(head_learning_rate=9))


def test_epochs_are_counted_over_all_fits() -> None:
    source, seen = SimpleNamespace(epoch=-1, start=0), []
    epochs = Epochs(source)  # type: ignore[arg-type]
    for _ in range(3):
        epochs.before_train()
        seen.append(source.epoch)
        epochs.after_train()
    epochs.before_train()  # begun and cancelled, as by lr_find: the epoch comes again
    epochs.before_train()
    assert [*seen, source.epoch] == [0, 1, 2, 3]


def test_masked_scores_weigh_every_token_alike() -> None:
    scores = MaskedScores()
    draw = torch.Generator().manual_seed(0)
    logits = [torch.randn(n, 9, generator=draw) for n in (4, 2)]
    labels = [torch.tensor([1, 2, 3, IGNORED]), torch.tensor([8, IGNORED])]
    scores.before_validate()
    for pred, label in zip(logits, labels, strict=True):
        scores.learn = SimpleNamespace(pred=pred, yb=(label,))
        scores.after_pred()
    kept = torch.cat([logits[0][:3], logits[1][:1]]), torch.tensor([1, 2, 3, 8])
    assert scores.count == 4
    assert scores.loss_per_token == pytest.approx(float(cross_entropy(*kept)))
    assert scores.accuracy == pytest.approx(float((kept[0].argmax(1) == kept[1]).float().mean()))


class Listener:
    """A follower that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, int]] = []

    def begin(self, out: object, options: object) -> None:
        raise AssertionError("that is the session's part")

    def line(self, values: dict, step: int) -> None:
        self.told.append((values["loss"], step))

    def end(self) -> None:
        raise AssertionError("that is the session's part")


def test_followers_are_told_each_line_once_and_a_resumed_history_from_its_beginning() -> None:
    lines: list[dict[str, float]] = [{"epoch": 1, "loss": 3.0}]
    one, other = Listener(), Listener()
    follow = FollowHistory([one, other], lambda: lines)
    follow.after_validate()
    lines += [{"epoch": 2, "loss": 2.0}, {"epoch": 3, "step": 40, "loss": 1.0}]
    follow.after_validate()
    follow.after_validate()
    assert one.told == other.told == [(3.0, 1), (2.0, 2), (1.0, 40)]
    again = FollowHistory([one], lambda: lines)
    again.after_validate()
    assert one.told[3:] == other.told
