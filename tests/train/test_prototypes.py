"""Does a head that begins as prototypes point to the mean of each class?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from steep.args import FitArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.devices import choose
from steep.options import make
from steep.train import classify
from steep.train.prototypes import begin_as_prototypes

ARGS = make(FitArgs, max_length=32, pooling="mean", device="cpu", precision="fp32")


@torch.no_grad()
def test_its_logits_are_cosines_to_the_means(single: Data, tiny_bert: Path) -> None:
    learn = classify.learner(single, tiny_bert, ARGS.tune, choose(ARGS.machine), 0)
    begin_as_prototypes(learn, single)
    assert learn.model.training
    rows = learn.dls.train_ds
    batch = rows.batch([rows[i] for i in range(len(rows))])[0]
    learn.model.eval()
    seen: list[torch.Tensor] = []
    hook = learn.model.model.pooling.register_forward_hook(lambda *given: seen.append(given[-1]))
    found = learn.model(batch)
    hook.remove()
    features, labels = seen[0], torch.from_numpy(single.train.labels())
    means = torch.stack([features[labels == label].mean(0) for label in labels.unique()])
    cosines = torch.cosine_similarity(features[:, None], means[None], dim=-1)
    torch.testing.assert_close(found, cosines * features.shape[1] ** 0.5, atol=1e-3, rtol=0)


@torch.no_grad()
def test_rows_count_by_their_weights(single: Data, tiny_bert: Path) -> None:
    """Those of weight 0 not at all; a class without any other keeps its random row."""
    labels = single.train.labels()
    first = int(np.flatnonzero(labels == 0)[0])
    weights = (np.arange(len(labels)) == first).astype(float)
    table = single.train.table.add_column("weight", weights.tolist())
    data = replace(single, train=replace(single.train, table=table))
    learn = classify.learner(data, tiny_bert, ARGS.tune, choose(ARGS.machine), 0)
    head = learn.model.model.pooled_head
    drawn = head.weight.clone()
    begin_as_prototypes(learn, data)
    rows, seen = learn.dls.train_ds, list[torch.Tensor]()
    hook = learn.model.model.pooling.register_forward_hook(lambda *given: seen.append(given[-1]))
    learn.model.eval()(rows.batch([rows[first]])[0])
    hook.remove()
    assert torch.cosine_similarity(head.weight[0], seen[0][0], dim=0) > 0.9999
    assert torch.equal(head.weight[1], drawn[1])


def test_texts_in_windows_are_refused(single: Data, tiny_bert: Path) -> None:
    args = make(
        FitArgs, max_length=16, pooling="mean", truncation="sliding-mean", **{"device": "cpu"}
    )
    learn = classify.learner(single, tiny_bert, args.tune, choose(args.machine), 0)
    with pytest.raises(SteepError, match="Choose --head-init random"):
        begin_as_prototypes(learn, single)


def test_it_needs_classes_and_a_linear_head(single: Data, multi: Data, tiny_bert: Path) -> None:
    for data, args in (
        (multi, ARGS),
        (single, make(FitArgs, max_length=32, pooling="model", device="cpu")),
    ):
        learn = classify.learner(data, tiny_bert, args.tune, choose(args.machine), 0)
        with pytest.raises(SteepError, match="head_init prototypes needs one label a row"):
            begin_as_prototypes(learn, data)
