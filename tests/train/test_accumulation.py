"""Is a batch that is computed in parts the same batch, in both stages and for long texts?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fastai.learner import Learner
from torch import Tensor
from transformers import AutoTokenizer, modeling_utils
from transformers.models.bert.modeling_bert import BertPreTrainedModel

from steep.args import AdaptArgs, FitArgs
from steep.data.corpus import Data
from steep.data.inputs import frame
from steep.data.tokens import tokenize
from steep.errors import SteepError
from steep.models.devices import Machine, choose
from steep.models.masked_lm import MaskedLanguageModel, load_masked_lm
from steep.objectives.masking import vocabulary
from steep.options import change, make
from steep.seeds import numbers
from steep.train import classify, masked
from steep.train.engine import Accumulation, add_gradient, cut_rows
from steep.train.masked import Laid
from steep.train.objective import cut_masked
from steep.train.pile import IGNORED, Pile
from steep.train.readings import StopIfDiverged, readings_of

CPU = Machine(torch.device("cpu"), bf16=False, attention="eager")
ADAPT = make(
    AdaptArgs, max_length=16, batch_tokens=256, max_steps=4, learning_rate=0.001, device="cpu"
)
FIT = make(
    FitArgs, max_length=32, batch_size=8, learning_rate=0.002, device="cpu", precision="fp32"
)
LONG = {"max_length": 8, "truncation": "sliding-mean", "max_windows": 4}
KINDS = ("single", "multi", "graded", "weighted")


@pytest.fixture(scope="module")
def pile(still_bert: Path, single: Data) -> Pile:
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    text = tokenize(single.train, tokenizer)
    return Pile(text, frame(tokenizer), vocabulary(tokenizer), 16, 0.15)


@pytest.fixture
def data(request: pytest.FixtureRequest) -> Data:
    """Data of the kind asked for; "weighted" are single labels with weights of 0 to 2."""
    if request.param != "weighted":
        return request.getfixturevalue(request.param)
    single: Data = request.getfixturevalue("single")
    table = single.train.table
    table = table.add_column("weight", [float(i % 3) for i in range(len(table))])
    return replace(single, train=replace(single.train, table=table))


def learner(data: Data, checkpoint: Path, args: FitArgs = FIT) -> Learner:
    return classify.learner(data, checkpoint, args.tune, choose(args.machine), args.seed.seed)


def train(learn: Learner, data: Data, args: FitArgs) -> classify.Fitted:
    return classify.train(learn, data, args.tune, None, args.seed.seed)


def adapt(
    checkpoint: Path, pile: Pile, args: AdaptArgs, machine: Machine = CPU
) -> tuple[MaskedLanguageModel, dict]:
    lm, spans = load_masked_lm(checkpoint, "eager", 0), pile.spans()
    laid = Laid(pile, spans[20:], spans[:20])
    return lm, masked.train(lm, laid, args.pretrain, machine, args.seed.seed)


def gradients(learn: Learner, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Those of a batch, in parts if the learner accumulates."""
    learn.model.train()
    learn.model.zero_grad()
    add_gradient(learn, batch)
    return {name: p.grad.clone() for name, p in learn.model.named_parameters()}


def without_parts(learn: Learner) -> Learner:
    learn.remove_cbs([cb for cb in learn.cbs if isinstance(cb, Accumulation)])
    return learn


def same_gradients(learn: Learner) -> None:
    """Every batch of an epoch has the gradient that it has when it is computed at once."""
    batches = list(learn.dls.train)
    in_parts = [gradients(learn, batch) for batch in batches]
    whole = [gradients(without_parts(learn), batch) for batch in batches]
    for found, expected in zip(in_parts, whole, strict=True):
        largest = max(float(gradient.abs().max()) for gradient in expected.values())
        assert largest > 1e-3
        for name, gradient in expected.items():
            torch.testing.assert_close(
                found[name], gradient, atol=1e-6 * largest, rtol=1e-4, msg=name
            )


@pytest.mark.parametrize("parts", [3, 100])
@pytest.mark.parametrize("data", KINDS, indirect=True)
def test_the_gradient_is_that_of_the_whole_batch(still_bert: Path, data: Data, parts: int) -> None:
    learn = learner(data, still_bert, change(FIT, {"gradient_accumulation_steps": parts}))
    assert len(data.train) % 8, "the last batch is to be a smaller one"
    assert (data.train.table.column_names.count("weight") == 1) == (
        learn.dls.train_ds.counts is not None
    )
    same_gradients(learn)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_gradient_of_long_texts_is_that_of_the_whole_batch(
    still_bert: Path, single: Data, parts: int
) -> None:
    options = LONG | {"gradient_accumulation_steps": parts}
    learn, windows = learner(single, still_bert, change(FIT, options)), []
    assert learn.dls.train_ds.most > 2
    assert len(learn.dls.train) == -(-len(single.train) // 8), "a step for 8 texts, not windows"
    learn.model.model.bert.register_forward_hook(
        lambda *given: windows.append(len(given[2].last_hidden_state))
    )
    gradients(learn, next(iter(learn.dls.train)))
    assert len(windows) > 1
    assert max(windows) <= 8 // parts, "memory stays bounded"
    same_gradients(learn)


@pytest.mark.parametrize("way", [{}, LONG, {"class_weights": "balanced", "loss": "focal"}])
def test_a_fit_in_parts_is_the_fit(
    still_bert: Path, single: Data, way: dict, weights: Callable
) -> None:
    fits = []
    for parts in (1, 3):
        options = way | {"gradient_accumulation_steps": parts, "epochs": 2, "learning_rate": 1e-4}
        args = change(FIT, options)
        learn = learner(single, still_bert, args)
        fits.append(train(learn if parts > 1 else without_parts(learn), single, args))
    start = weights(learner(single, still_bert, change(FIT, way)).model)
    whole, in_parts = (weights(fitted.learn.model) for fitted in fits)
    # AdamW divides by the gradient's size, so where a gradient is next to nothing (the key's bias:
    # softmax does not see it) its sign is noise.
    names = [name for name in start if not name.endswith("key.bias")]
    for name in names:
        torch.testing.assert_close(whole[name], in_parts[name], atol=2e-6, rtol=0, msg=name)
    assert min((whole[name] - start[name]).abs().max() for name in names) > 1e-5
    for one, two in zip(fits[0].history, fits[1].history, strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
        assert two["learning_rate"] == pytest.approx(one["learning_rate"])


def test_a_batch_of_texts_is_cut_by_rows(single: Data, still_bert: Path) -> None:
    learn = learner(single, still_bert, change(FIT, {"batch_size": 7}))
    inputs, labels = next(iter(learn.dls.train))
    found = cut_rows((inputs,), (labels, torch.arange(7)), 3)
    assert [len(part.inputs[0]) for part in found] == [3, 3, 1]
    assert [part.share for part in found] == pytest.approx([3 / 7, 3 / 7, 1 / 7])
    assert torch.equal(torch.cat([part.inputs[0] for part in found]), inputs)
    assert torch.equal(torch.cat([part.labels[0] for part in found]), labels)
    assert torch.cat([part.labels[1] for part in found]).tolist() == [*range(7)]


def test_a_batch_of_long_texts_is_cut_by_windows() -> None:
    batch = torch.zeros(5, 4, 2, 6, dtype=torch.int64)
    for row, count in enumerate((2, 1, 4, 1, 2)):
        batch[row, :count, 1] = 1
    found = cut_rows((batch,), (torch.arange(5),), 3)
    assert [part.labels[0].tolist() for part in found] == [[0, 1], [2], [3, 4]]
    assert [part.share for part in found] == pytest.approx([0.4, 0.2, 0.4])


def test_a_masked_batch_is_cut_by_rows_with_their_masked_tokens(pile: Pile) -> None:
    texts, positions, labels = pile.batch(pile.spans()[:11], numbers(0, "masks"))
    found = cut_masked((texts, positions), (labels,), 3)
    assert [len(part.inputs[0]) for part in found] == [3, 4, 4]
    assert torch.equal(torch.cat([part.inputs[0] for part in found]), texts)
    real, start, seen = labels != IGNORED, 0, []
    for part in found:
        (some, places), (tokens,) = part.inputs, part.labels
        own = tokens != IGNORED
        seen += list(zip((places[own] + start).tolist(), tokens[own].tolist(), strict=True))
        start += some.shape[0] * some.shape[2]
    assert seen == list(zip(positions[real].tolist(), labels[real].tolist(), strict=True))
    assert float(sum(part.share for part in found)) == pytest.approx(1)


def test_a_masked_batch_that_cannot_be_cut_stays_whole(pile: Pile) -> None:
    one = pile.batch(pile.spans()[:1], numbers(0, "masks"))
    assert len(cut_masked(one[:2], one[2:], 4)) == 1
    texts, positions, labels = pile.batch(pile.spans()[:2], numbers(0, "masks"))
    labels = labels.where(positions < texts.shape[-1], IGNORED)  # none to guess in the second row
    (whole,) = cut_masked((texts, positions), (labels,), 2)
    assert whole.inputs[0] is texts
    assert whole.share == 1


def test_step_2_in_parts_is_step_2(still_bert: Path, pile: Pile, weights: Callable) -> None:
    whole, report = adapt(still_bert, pile, ADAPT)
    parts, in_parts = adapt(still_bert, pile, change(ADAPT, {"gradient_accumulation_steps": 3}))
    for name, value in weights(whole.model).items():
        assert torch.allclose(value, weights(parts.model)[name], atol=2e-6), name
    for one, two in zip(report["history"][1:], in_parts["history"][1:], strict=True):
        assert one["train_loss"] == pytest.approx(two["train_loss"], rel=1e-5)
        assert (one["step"], one["tokens"]) == (two["step"], two["tokens"])


def test_a_part_whose_loss_is_no_number_ends_the_run(
    still_bert: Path, single: Data, weights: Callable, moved: Callable
) -> None:
    args = change(FIT, {"gradient_accumulation_steps": 4})
    learn = learner(single, still_bert, args)
    before, loss, calls = weights(learn.model), learn.loss_func, []

    def broken(*given: Tensor) -> Tensor:
        calls.append(1)
        return loss(*given) * (float("nan") if len(calls) == 2 else 1)

    broken.activation, broken.truth = loss.activation, loss.truth  # type: ignore[attr-defined]
    learn.loss_func, finite = broken, StopIfDiverged(readings_of(learn))
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 1e-3, cbs=[finite])
    assert finite.diverged
    assert len(calls) == 4, "the second of four parts"
    assert not moved(before, learn.model), "no step was taken with it"


@pytest.fixture
def recomputed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever a layer is computed under gradient checkpointing."""
    seen, again = list[int](), modeling_utils.checkpoint
    monkeypatch.setattr(
        modeling_utils, "checkpoint", lambda *a, **k: seen.append(1) or again(*a, **k)
    )
    return seen


def test_checkpointing_changes_no_weight_of_step_2(
    tiny_bert: Path, pile: Pile, weights: Callable, recomputed: list[int]
) -> None:
    args = change(ADAPT, {"max_steps": 2})
    plain, _ = adapt(tiny_bert, pile, args)
    assert not recomputed
    thrifty, _ = adapt(tiny_bert, pile, change(args, {"gradient_checkpointing": True}))
    for name, value in weights(plain.model).items():
        assert torch.equal(value, weights(thrifty.model)[name]), name
    assert len(recomputed) == 2 * 2, "two layers, two steps; none while measuring"


@pytest.mark.parametrize("pooling", ["model", "mean"])
def test_checkpointing_changes_no_weight_of_a_fit(
    tiny_bert: Path, single: Data, pooling: str, weights: Callable, recomputed: list[int]
) -> None:
    args = change(FIT, {"epochs": 1, "pooling": pooling, "plain": True})
    plain = train(learner(single, tiny_bert, args), single, args)
    assert not recomputed
    args = change(args, {"gradient_checkpointing": True, "plain": False})
    learn = learner(single, tiny_bert, args)
    assert any("gradient checkpointing" in note for note in classify.notes(learn, args.tune))
    thrifty = train(learn, single, args)
    for name, value in weights(plain.learn.model).items():
        assert torch.equal(value, weights(thrifty.learn.model)[name]), name
    assert len(recomputed) == 2 * len(learn.dls.train)


def test_a_model_that_cannot_recompute_is_told(
    tiny_bert: Path, single: Data, pile: Pile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BertPreTrainedModel, "supports_gradient_checkpointing", False)
    with pytest.raises(SteepError, match="'bert' model does not support gradient checkpointing"):
        learner(single, tiny_bert, change(FIT, {"gradient_checkpointing": True}))
    with pytest.raises(SteepError, match="'bert' model does not support gradient checkpointing"):
        adapt(tiny_bert, pile, change(ADAPT, {"gradient_checkpointing": True}))
