"""Which rows does the probe of step 2 read, and is it said where it has none?"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steep import outputs
from steep.args.pretraining import ProbeArgs
from steep.args.table import SplitArgs, TableArgs
from steep.data.corpus import Data
from steep.data.load import load
from steep.data.probe_rows import MOST, labelled_parts, probe_on
from steep.errors import SteepError
from steep.models.checkpoints import load_tokenizer
from steep.options import make
from steep.seeds import numbers

ASKED = ProbeArgs(probe=True)


def data(rows: int, **options: float) -> Data:
    columns = {"text": [f"the film {i}" for i in range(rows)], "label": ["a", "b"] * (rows // 2)}
    how = make(SplitArgs, **options)
    return load(pd.DataFrame(columns), make(TableArgs, label="label"), how)


def test_a_thousand_rows_at_most_are_drawn_by_the_seed() -> None:
    whole = data(2000)
    train, valid = labelled_parts(whole, ASKED, 3)
    assert (len(train), len(valid)) == (MOST, 200) == (1000, 200)
    drawn = numbers(3, "probe", "train").choice(len(whole.train), MOST, replace=False)
    assert train.rows().tolist() == whole.train.rows()[np.sort(drawn)].tolist()
    assert valid is whole.valid
    assert labelled_parts(whole, ASKED, 4)[0].rows().tolist() != train.rows().tolist()
    assert labelled_parts(whole, ProbeArgs(), 3) is None


def test_what_a_probe_needs_is_said() -> None:
    with pytest.raises(SteepError, match="leave valid_share above 0"):
        labelled_parts(data(40, valid_share=0.0), ASKED, 0)
    with pytest.raises(SteepError, match="name the column of labels with --label"):
        unlabelled = load(pd.DataFrame({"text": list("abcdefgh")}), TableArgs(), SplitArgs())
        labelled_parts(unlabelled, ASKED, 0)
    regression = make(TableArgs, label="y", task="regression")
    frame = pd.DataFrame({"text": [f"film {i}" for i in range(40)], "y": range(40)})
    one = load(frame, regression, make(SplitArgs, valid_share=0.02))
    assert labelled_parts(one, ASKED, 0) is not None


def test_the_rows_are_tokenised_and_their_number_is_noted(tiny_bert: Path, tmp_path: Path) -> None:
    whole, tokenizer = data(40), load_tokenizer(tiny_bert)
    with outputs.writing(tmp_path / "out", "adapt", make(TableArgs), False) as run:
        assert probe_on(None, whole, tokenizer, 16, run) is None
        train, valid = probe_on(labelled_parts(whole, ASKED, 0), whole, tokenizer, 16, run)
        assert (len(train), len(valid), train.max_length) == (28, 4, 16)
        assert any("from 28 training rows and is scored on 4 " in n for n in run.manifest["notes"])


def test_neither_the_rows_nor_the_text_of_step_2_need_torch() -> None:
    code = "import steep.data.probe_rows, steep.data.step2_text, sys; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
