"""Is fastai's AWD-LSTM an arm of a study as others are, on the same rows?"""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.text.models.awdlstm import awd_lstm_clas_config

from steep.errors import SteepError
from steep.shelf.awd_lstm.awd_arm import find_awd, read_awd
from steep.train import awd_lstm

Steep = Callable[..., Any]


def test_the_awd_lstm_of_fastai_is_an_arm(
    steep: Steep, tables: Path, tiny_bert: Path, tiny: str, tiny_awd: Path, tmp_path: Path
) -> None:
    out, text, config = (tmp_path / name for name in ("study", "more.txt", "study.toml"))
    config.write_text("[adapt]\nmax-length = 32\n")
    held = (tables / "single.csv").read_text().splitlines()[1:]
    text.write_text("a fine film about nothing at all\n" * 40 + "\n".join(x[6:] for x in held))
    options = "--label label --epochs 1 --seeds 2 --label-budgets 40 --learning-rate 2e-3"
    options += " --keep-going"
    base = ("compare", tables / "single.csv", options, tiny, "--model", tiny_bert)
    words = (*base, "--arms base,adapted,awd-lstm --unlabelled", text, "--config", config)
    empty = tmp_path / "empty"
    empty.mkdir()
    done = steep(*words, "--awd-lstm", empty, "--out", out, code=2)
    assert f"arm awd-lstm: {empty} must hold one file of weights" in done.stderr
    assert not out.exists()
    done = steep(*words, "--awd-lstm", tiny_awd, "--out", out)
    assert "its time is not estimated" in done.stderr
    made = json.loads((out / "awd-lstm" / "steep.json").read_text())
    assert any("are left out" in note for note in made["notes"])  # the texts of the test rows
    study = json.loads((out / "study.json").read_text())
    assert study["args"]["awd_lstm"] == str(tiny_awd)
    for seed in (0, 1):  # on the same label sample and rows as the others
        cells = [out / "cells" / f"{arm}-40-seed{seed}.csv" for arm in ("base", "awd-lstm")]
        rows = [[line.partition(",")[0] for line in p.read_text().splitlines()] for p in cells]
        assert rows[0] == rows[1]
    found = json.loads((out / "verdict.json").read_text())
    assert {(c["arm"], c["against"]) for c in found["comparisons"]} == {
        *(("adapted", "base"), ("adapted", "awd-lstm"), ("awd-lstm", "base")),
    }
    steep("report", out)
    assert "awd-lstm" in (out / "report.html").read_text()
    (out / "cells" / "awd-lstm-40-seed1.json").unlink()
    assert "resum" in steep(*words, "--awd-lstm", tiny_awd, "--out", out).stderr
    again = json.loads((out / "verdict.json").read_text())
    assert again["arms"]["awd-lstm"]["values"] == found["arms"]["awd-lstm"]["values"]


@pytest.fixture
def folder(tiny_awd: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be spoilt."""
    return Path(shutil.copytree(tiny_awd, tmp_path / "awd"))


def test_files_of_fastai_and_their_sizes(folder: Path) -> None:
    found = read_awd(folder)
    assert found.words[:3] == ["xxunk", "xxpad", "xxbos"]
    sizes = found.sizes(awd_lstm_clas_config, "0.")
    assert (sizes["emb_sz"], sizes["n_hid"], sizes["n_layers"]) == (16, 24, 2)
    assert sizes["output_p"] == awd_lstm_clas_config["output_p"]
    listed = pickle.loads((folder / "itos_wt103.pkl").read_bytes())
    (folder / "itos_wt103.pkl").unlink()
    (folder / "itos.json").write_text(json.dumps(listed))
    assert read_awd(folder).words == found.words


def test_saved_with_its_optimiser(folder: Path) -> None:
    state = torch.load(folder / "lstm_fwd.pth", weights_only=True)
    torch.save({"model": state, "opt": {}}, folder / "lstm_fwd.pth")
    assert read_awd(folder).weights.keys() == state.keys()


class Harm:
    """A pickle of this calls something when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["itos_wt103.pkl", "lstm_fwd.pth"])
def test_a_pickle_that_would_run_something_is_refused(folder: Path, name: str) -> None:
    mark = folder / "executed"
    (folder / name).write_bytes(pickle.dumps([Harm(mark)]))
    with pytest.raises(SteepError, match=name):
        read_awd(folder)
    assert not mark.exists()


def test_what_is_no_model_is_one_sentence(folder: Path) -> None:
    words = folder / "itos_wt103.pkl"
    for wrong, told in (({"a": 1}, "expected a list of words"), (["a", "b"], "2 words, but")):
        words.write_bytes(pickle.dumps(wrong))
        with pytest.raises(SteepError, match=told):
            read_awd(folder)
    words.write_bytes(b"no pickle")
    with pytest.raises(SteepError, match="not a plain list of words"):
        read_awd(folder)
    torch.save({"weight": torch.zeros(2)}, folder / "lstm_fwd.pth")
    with pytest.raises(SteepError, match=r"no AWD-LSTM language model of fastai: 0.encoder.weight"):
        read_awd(folder)


def test_where_the_files_have_to_be(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awd_lstm, "fastai_path", lambda kind: tmp_path / kind)
    with pytest.raises(SteepError, match=r"model/wt103-fwd must hold .* it holds none of them\. "):
        find_awd(awd_lstm.cached_weights())
    cached = Path(shutil.copytree(folder, tmp_path / "model" / "wt103-fwd"))
    assert find_awd(awd_lstm.cached_weights())[0] == cached / "lstm_fwd.pth"
    (folder / "itos_wt103.pkl").unlink()
    with pytest.raises(SteepError, match=r"it holds lstm_fwd\.pth\. .* with --awd-lstm"):
        find_awd(folder)
