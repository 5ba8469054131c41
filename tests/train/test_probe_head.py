"""Does a head that begins as a probe know the training rows before the first step?"""

from pathlib import Path

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from steep.args import FitArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.devices import choose
from steep.options import make
from steep.train import classify
from steep.train.frozen_features import ITERATIONS, STRENGTH, begin_as_probe

ARGS = make(FitArgs, max_length=32, pooling="mean", device="cpu", precision="fp32")


@torch.no_grad()
def test_it_predicts_what_scikit_learn_does(single: Data, tiny_bert: Path) -> None:
    learn = classify.learner(single, tiny_bert, ARGS.tune, choose(ARGS.machine), 0)
    begin_as_probe(learn, single)
    rows = learn.dls.train_ds
    batch = rows.batch([rows[i] for i in range(len(rows))])[0]
    learn.model.eval()
    seen: list[torch.Tensor] = []
    hook = learn.model.model.pooling.register_forward_hook(lambda *given: seen.append(given[-1]))
    found = learn.model(batch).softmax(1)
    hook.remove()
    labels = single.train.labels()
    wanted = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS).fit(seen[0].numpy(), labels)
    probabilities = torch.from_numpy(wanted.predict_proba(seen[0].numpy())).float()
    torch.testing.assert_close(found, probabilities, atol=2e-3, rtol=0)


def test_it_needs_classes_and_a_linear_head(single: Data, multi: Data, tiny_bert: Path) -> None:
    for data, args in (
        (multi, ARGS),
        (single, make(FitArgs, max_length=32, pooling="model", device="cpu")),
    ):
        learn = classify.learner(data, tiny_bert, args.tune, choose(args.machine), 0)
        with pytest.raises(SteepError, match="head_init probe needs one label a row"):
            begin_as_probe(learn, data)
