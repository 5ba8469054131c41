"""Are fastai's files read as they are, and is nothing in them executed?"""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from fastai.text.models.awdlstm import awd_lstm_clas_config

from steep.errors import SteepError
from steep.shelf.awd_lstm.awd_weights import find_awd, read_awd
from steep.train import awd_lstm


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
