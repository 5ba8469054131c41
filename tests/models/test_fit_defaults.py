"""Do defaults follow from rows, classes and checkpoint, and does what is given win?"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from steep.args import TuneArgs
from steep.data.corpus import Task
from steep.errors import SteepError
from steep.models import fit_defaults
from steep.models.fit_defaults import few_steps, pools_by_mean, settled, told
from steep.models.hub import FILES, carry
from steep.options import as_mapping, make

TWO = Task("single", ("no", "yes"))
MANY = Task("single", tuple(f"class {i}" for i in range(50)))
SEVERAL = Task("multi", ("a", "b", "c"))


@pytest.fixture
def sentences(bert_copy: Callable[..., Path]) -> Path:
    from transformers import BertModel

    folder = bert_copy(BertModel)
    (folder / "1_Pooling").mkdir()
    (folder / "modules.json").write_text("[]")
    pooling = {"word_embedding_dimension": 64, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.mark.parametrize(("rows", "epochs"), [(10, 40), (100, 15), (400, 4), (5000, 3)])
def test_few_rows_are_read_more_often(tiny_bert: Path, rows: int, epochs: int) -> None:
    found = settled(TuneArgs(), rows, TWO, tiny_bert)
    assert (found.epochs.count, found.batch.size, found.optimiser.rate) == (epochs, 16, 1e-4)
    assert (found.layers.pooling, found.layers.head_init) == ("mean", "prototypes")


@pytest.mark.parametrize(("rows", "epochs"), [(10, 40), (100, 29), (400, 8), (5000, 3)])
def test_a_random_head_learns_twice_as_long(tiny_bert: Path, rows: int, epochs: int) -> None:
    found = settled(make(TuneArgs, head_init="random"), rows, TWO, tiny_bert)
    assert (found.epochs.count, found.batch.size, found.optimiser.rate) == (epochs, 16, 3e-4)
    assert found.layers.pooling == "mean"


def test_only_of_a_small_bert_is_the_mean_read(
    tiny_bert: Path, bert_copy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of others, transformers could not load the folder; large ones have a pooler that learnt.

    And a classifier has a head, which is kept where it fits.
    """
    from transformers import BertForSequenceClassification, BertModel

    classifier = bert_copy(BertForSequenceClassification)
    assert settled(TuneArgs(), 100, TWO, classifier).layers.pooling == "model"

    other = bert_copy(BertModel)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "roberta"}))
    assert settled(TuneArgs(), 100, TWO, other).layers.pooling == "model"
    monkeypatch.setattr(fit_defaults, "weights_of", lambda _: 110_000_000)
    assert settled(TuneArgs(), 100, TWO, tiny_bert).layers.pooling == "model"


def test_a_large_checkpoint_has_the_published_rate(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_defaults, "weights_of", lambda _: 110_000_000)
    found = settled(TuneArgs(), 240, TWO, tiny_bert)
    assert (found.optimiser.rate, found.epochs.count) == (2e-5, 20)


def test_a_head_alone_has_a_higher_rate(tiny_bert: Path) -> None:
    found = settled(make(TuneArgs, unfreeze="never"), 240, TWO, tiny_bert)
    assert found.optimiser.rate == fit_defaults.RATE_HEAD


def test_what_is_given_wins(sentences: Path) -> None:
    given = make(
        *(TuneArgs,),
        **{"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "pooling": "cls"},
        head_init="random",
    )
    assert settled(given, 100, MANY, sentences) == given
    assert told(given, given, 100, MANY, str(sentences)) == []


@pytest.mark.parametrize(
    ("task", "options", "begins"),
    [
        (MANY, {}, "prototypes"),
        (TWO, {}, "prototypes"),
        (SEVERAL, {}, "random"),
        (MANY, {"head_init": "random"}, "random"),
        (MANY, {"pooling": "model"}, "random"),
        (MANY, {"unfreeze": "gradual"}, "random"),
        (MANY, {"truncation": "sliding-mean"}, "random"),
    ],
)
def test_a_head_of_a_sentence_encoder_begins_as_prototypes(
    sentences: Path, task: Task, options: dict[str, str], begins: str
) -> None:
    found = settled(make(TuneArgs, **options), 200, task, sentences)
    assert found.layers.head_init == begins
    expected = (1e-4, 8) if begins == "prototypes" else (3e-4, 16)  # 13 steps an epoch
    assert (found.optimiser.rate, found.epochs.count) == expected


def test_a_mean_that_is_given_makes_no_prototypes(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_defaults, "weights_of", lambda _: 110_000_000)
    found = settled(make(TuneArgs, pooling="mean"), 200, TWO, tiny_bert)
    assert (found.layers.head_init, found.optimiser.rate) == ("random", 2e-5)


def test_what_was_chosen_is_said_in_a_line(sentences: Path) -> None:
    before = make(TuneArgs, epochs=4)
    after = settled(before, 200, MANY, sentences)
    (line,) = told(before, after, 200, MANY, str(sentences))
    assert line.startswith(
        "200 rows, 50 classes, 0 M parameters: batches of 16, learning rate 0.0001"
    )
    assert line.endswith("reads the mean of all tokens, the head begins as the mean of each class")
    assert "epochs" not in line
    assert None not in as_mapping(after).values()


def test_the_pooling_of_a_sentence_encoder_is_known(tiny_bert: Path, sentences: Path) -> None:
    assert pools_by_mean(sentences)
    assert not pools_by_mean(tiny_bert)
    path = sentences / "1_Pooling" / "config.json"
    for content in ('{"pooling_mode": "mean"}', '{"pooling_mode": "cls"}'):
        path.write_text(content)
        assert pools_by_mean(sentences) == ("mean" in content)
    for content, told_so in (("[]", "must hold a JSON object"), ("{", "not valid JSON")):
        path.write_text(content)
        with pytest.raises(SteepError, match=rf"1_Pooling.*config.json: {told_so}"):
            pools_by_mean(sentences)


def test_its_files_are_carried_along(sentences: Path, tmp_path: Path) -> None:
    carry(sentences, tmp_path)
    assert [file for file in FILES if (tmp_path / file).is_file()] == [FILES[0], FILES[2]]


def test_few_steps_are_told_with_what_makes_more() -> None:
    (note,) = few_steps(100, epochs=5, batch_size=16)
    assert "100 labels make 35 optimiser steps" in note
    assert "--batch-size 8 --epochs 7 makes 80 or more" in note
    assert few_steps(100, epochs=7, batch_size=8) == []
