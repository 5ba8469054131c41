"""Does what fastai's users call on a Learner work on texts?"""

from pathlib import Path

import datasets
import fastai.text.learner  # noqa: F401  (its own forms of what is shown must not get in the way)
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.progress import ShowGraphCallback
from fastai.interpret import ClassificationInterpretation, Interpretation
from fastai.learner import Learner
from fastprogress.fastprogress import ConsoleMasterBar

from steep.args import FitArgs
from steep.data.corpus import Data
from steep.errors import SteepError
from steep.models.devices import choose
from steep.models.fit_defaults import settled_for
from steep.options import change, make
from steep.train import classify, rows

ARGS = make(
    FitArgs, max_length=32, batch_size=16, learning_rate=0.005, device="cpu", precision="fp32"
)


def learner(data: Data, checkpoint: Path, args: FitArgs = ARGS) -> Learner:
    tune = settled_for(args.tune, data, checkpoint)
    return classify.learner(data, checkpoint, tune, choose(args.machine), args.seed.seed)


@pytest.fixture(scope="module")
def learn(single: Data, tiny_bert: Path) -> Learner:
    torch.manual_seed(0)
    learn = learner(single, tiny_bert, ARGS)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(4, 5e-3)
    learn.remove_cb(learn.progress)
    return learn


def test_predict_gives_label_index_and_probabilities(learn: Learner, single: Data) -> None:
    probabilities, _ = learn.get_preds(ds_idx=1)
    for place in (0, 1, 7):
        label, index, found = learn.predict(single.valid.table[place]["text"])
        torch.testing.assert_close(found, probabilities[place], atol=1e-5, rtol=0)
        assert int(index) == int(found.argmax())
        assert label == single.labelled().labels[int(index)]
    shown, *_ = learn.predict("a good film", with_input=True)
    assert shown == "a good film"


@pytest.mark.parametrize("kind", ["multi", "graded"])
def test_predict_decodes_every_kind_of_task(
    kind: str, tiny_bert: Path, request: pytest.FixtureRequest
) -> None:
    data: Data = request.getfixturevalue(kind)
    learn = learner(data, tiny_bert, ARGS)
    learn.remove_cb(learn.progress)
    label, decided, found = learn.predict("a good film in the night")
    if kind == "multi":
        names = [n for n, on in zip(("good", "night"), decided, strict=True) if on]
        assert list(label) == names
        assert torch.equal(decided, found > 0.5)
    else:
        assert float(label) == pytest.approx(float(found), rel=1e-3)


def test_texts_are_cut_as_in_training(tiny_bert: Path, single: Data) -> None:
    text = " ".join(["good"] * 10 + ["bad"] * 10)
    for truncation, word in (("head", "good"), ("tail", "bad")):
        args = change(ARGS, {"max_length": 8, "truncation": truncation})
        dls = learner(single, tiny_bert, args).dls
        (inputs,) = dls.test_dl([text]).one_batch()
        ids = inputs[0, 0][inputs[0, 1] == 1].tolist()
        kept = dls.train_ds.tokenizer.decode(ids, skip_special_tokens=True)
        assert kept == " ".join([word] * 6)


def test_many_texts_come_back_in_their_order(learn: Learner, single: Data) -> None:
    probabilities, _ = learn.get_preds(ds_idx=1)
    texts = list(single.valid.table["text"])[::-1]
    found, targets = learn.get_preds(dl=learn.dls.test_dl(texts, bs=7))
    torch.testing.assert_close(found.flip(0), probabilities, atol=1e-5, rtol=0)
    assert targets is None


def test_items_that_are_no_texts_are_refused(learn: Learner) -> None:
    with pytest.raises(SteepError, match="item 1: expected a text, not '3'"):
        learn.dls.test_dl(["fine", 3])
    with pytest.raises(SteepError, match="item 0 has no label"):
        learn.dls.test_dl(["fine"], with_labels=True)
    with pytest.raises(SteepError, match="no items"):
        learn.dls.test_dl([])


def test_tables_give_their_texts_not_their_column_names(learn: Learner, single: Data) -> None:
    texts = list(single.valid.table["text"])
    wanted, _ = learn.get_preds(dl=learn.dls.test_dl(texts))
    table = {"other": ["x"] * len(texts), "text": texts, "label": ["positive"] * len(texts)}
    for form in (pd.DataFrame(table), datasets.Dataset.from_dict(table), pd.Series(texts)):
        found, _ = learn.get_preds(dl=learn.dls.test_dl(form))
        torch.testing.assert_close(found, wanted)
    with pytest.raises(
        SteepError, match="DataFrame: there is no column 'text', which the training"
    ):
        learn.dls.test_dl(pd.DataFrame({"review": texts}))


def test_learners_are_not_pickled(learn: Learner, tmp_path: Path) -> None:
    with pytest.raises(SteepError, match=r"steep\.save\(learn, folder\) keeps the model"):
        learn.export(tmp_path / "export.pkl")
    assert not list(tmp_path.iterdir())
    assert learn.predict("a good film")[0] in ("negative", "positive")


def test_the_graph_of_losses_is_drawn(
    single: Data, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(ConsoleMasterBar, "update_graph", lambda *_: drawn.append(1), raising=False)
    learn = learner(single, tiny_bert)
    with learn.no_logging():
        learn.fit_one_cycle(2, 5e-3, cbs=ShowGraphCallback())
    assert len(drawn) == 2


def test_top_losses_are_those_of_their_rows(learn: Learner, single: Data) -> None:
    interp = Interpretation.from_learner(learn)
    probabilities, targets = learn.get_preds(ds_idx=1)
    own = -probabilities[torch.arange(len(targets)), targets].log()
    losses, places, items = interp.top_losses(5, items=True)
    torch.testing.assert_close(losses, own.topk(5).values, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(own[places], losses, atol=1e-4, rtol=1e-4)
    wanted = [single.valid.table[int(place)] for place in places]
    assert [item["text"] for item in items] == [row["text"] for row in wanted]
    _, _, labels, _, again = interp[places]
    assert labels.tolist() == [row["label"] for row in wanted]
    assert torch.equal(again, losses)


def test_the_worst_rows_are_shown(learn: Learner, capsys: pytest.CaptureFixture[str]) -> None:
    interp = Interpretation.from_learner(learn)
    _, _, items = interp.top_losses(2, items=True)
    interp.show_results(interp.top_losses(2)[1])
    shown = capsys.readouterr().out
    assert all(item["text"].split()[0] in shown for item in items)
    assert "negative" in shown or "positive" in shown


def test_the_confusion_matrix_counts_the_validation_rows(learn: Learner, single: Data) -> None:
    interp = ClassificationInterpretation.from_learner(learn)
    probabilities, targets = learn.get_preds(ds_idx=1)
    wanted = np.zeros((2, 2), int)
    np.add.at(wanted, (targets.numpy(), probabilities.argmax(-1).numpy()), 1)
    assert interp.confusion_matrix().tolist() == wanted.tolist()
    interp.plot_confusion_matrix()
    ticks = [tick.get_text() for tick in plt.gca().get_yticklabels()]
    plt.close("all")
    assert ticks == list(single.labelled().labels)
    confused = {(actual, guess): int(n) for actual, guess, n in interp.most_confused()}
    assert sum(confused.values()) == wanted[0, 1] + wanted[1, 0]


def test_show_results_shows_text_label_and_prediction(
    learn: Learner, single: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[pd.DataFrame] = []
    monkeypatch.setattr(rows, "display_df", shown.append)
    learn.show_results(max_n=2)
    (table,) = shown
    assert list(table.columns) == ["text", "label", "predicted"] and len(table) == 2
    known = dict(zip(single.valid.table["text"], single.valid.labels(), strict=True))
    names = single.labelled().labels
    assert [names[known[text]] for text in table["text"]] == list(table["label"])
    assert set(table["predicted"]) <= set(names)


def test_the_recorder_draws_both_losses(single: Data, tiny_bert: Path) -> None:
    learn = learner(single, tiny_bert, ARGS)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(4, 5e-3)
    learn.recorder.plot_loss(skip_start=0)
    lines = plt.gca().get_lines()
    drawn = [len(line.get_ydata()) for line in lines]
    plt.close("all")
    assert drawn == [len(learn.recorder.losses), 4]
