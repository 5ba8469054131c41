"""One core, a cache of its own, and small data of each kind for the tests of training."""

import csv
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import matplotlib
import pytest
import torch
from torch import Tensor, nn

from steep.args.table import SplitArgs, TableArgs
from steep.data.corpus import Data
from steep.data.load import load
from steep.options import make

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """fastai prints its tables, also where IPython, which would show them as HTML, is installed."""
    monkeypatch.setitem(sys.modules, "IPython.display", None)


@pytest.fixture(autouse=True, scope="session")
def one_core() -> Iterator[None]:
    """Tiny models are slower on several cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The cache folder of `datasets`, empty."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
        yield


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory, tiny_rows: list) -> Data:
    """The learnable table: two classes, 200 rows."""
    path = tmp_path_factory.mktemp("single") / "tiny.csv"
    return _read(path, ["id", "text", "label"], tiny_rows, "label")


@pytest.fixture(scope="session")
def multi(tmp_path_factory: pytest.TempPathFactory, tiny_rows: list) -> Data:
    """Two 0/1 labels: is it good, and is there a night in it?"""
    path = tmp_path_factory.mktemp("multi") / "multi.csv"
    lines = [(n, t, int(la == "positive"), int(" night" in f" {t}")) for n, t, la in tiny_rows]
    return _read(path, ["id", "text", "good", "night"], lines, "good,night")


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory, tiny_rows: list) -> Data:
    """Targets around 500, far from zero mean and unit deviation."""
    draw = random.Random(1)
    path = tmp_path_factory.mktemp("graded") / "graded.csv"
    lines = [
        (number, text, round(500 + (80 if label == "positive" else -80) + draw.gauss(0, 5), 3))
        for number, text, label in tiny_rows
    ]
    return _read(path, ["id", "text", "score"], lines, "score")


@pytest.fixture(scope="session")
def still_bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT without dropout: the same batch gives the same gradient."""
    from transformers import AutoTokenizer, BertForPreTraining

    folder = tmp_path_factory.mktemp("still-bert")
    model = BertForPreTraining.from_pretrained(
        tiny_bert, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def weights() -> Callable[[nn.Module], dict[str, Tensor]]:
    """A copy of a model's parameters."""
    return lambda model: {name: p.detach().clone() for name, p in model.named_parameters()}


@pytest.fixture(scope="session")
def moved() -> Callable[[dict[str, Tensor], nn.Module], set[str]]:
    """The names of the parameters that are not bit by bit what they were."""

    def moved(before: dict[str, Tensor], model: nn.Module) -> set[str]:
        return {name for name, p in model.named_parameters() if not torch.equal(before[name], p)}

    return moved


def _read(path: Path, header: list[str], lines: list, label: str) -> Data:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *lines])
    return load(path, make(TableArgs, text="text", label=label), SplitArgs())
