"""Does a large text in parts have the tokens of the whole, and does a kill leave finished parts?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pytest
from transformers import AutoTokenizer

from steep.data import parts, tokens
from steep.data.cache_files import Facts, cache_folder
from steep.data.corpus import Corpus
from steep.data.parts import Paths, cores, parts_of, write_parts
from steep.data.tokens import tokenize
from steep.errors import SteepError

TEXTS = [f"the film was number {i}. the dog ran ж" for i in range(3000)]


def corpus(texts: list[str] = TEXTS) -> Corpus:
    table = datasets.Dataset.from_dict({"row": range(len(texts)), "text": texts})
    return Corpus(table, "memory")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 20_000)


@pytest.mark.parametrize("processes", [1, 2])
def test_parts_give_the_tokens_of_the_whole(
    tiny_bert: Path, cache: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(parts, "cores", lambda: processes)
    monkeypatch.delenv(parts.PARALLELISM, raising=False)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    expected = tokens.encoder_of(tokenizer)(TEXTS)
    assert len(parts_of(corpus())) > 4
    for _ in range(2):
        found = tokenize(corpus(), tokenizer)
        assert found.ids.tolist() == expected[0].tolist()
        assert found.lengths.tolist() == expected[1].tolist()
        assert (found.unknown, found.blank) == (3000, 0)
    (folder,) = (cache_folder() / "tokens").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["ids.npy", "offsets.npy", "seal.json"]
    assert parts.PARALLELISM not in os.environ


def test_every_row_is_in_one_part(small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row for part in parts_of(corpus()) for row in part] == list(range(3000))
    monkeypatch.setattr(parts, "MOST", 3)
    assert [len(part) for part in parts_of(corpus())] == [1000] * 3
    assert parts_of(corpus(["a"])) == [range(1)]


def write_numbers(rows: range, aside: Paths) -> Facts:
    """Stands in for tokenising: a row is one token, its own number."""
    np.save(aside[0].open("wb"), np.array(rows, "<i4"))
    np.save(aside[1].open("wb"), np.arange(len(rows) + 1, dtype="<i8"))
    return {"rows": len(rows)}


@pytest.fixture
def whole(tmp_path: Path) -> Paths:
    return tmp_path / "whole-ids.npy", tmp_path / "whole-offsets.npy"


def test_finished_parts_are_kept_where_a_run_fails(
    cache: Path, whole: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "cores", lambda: 1)
    some, written = [range(3), range(3, 7), range(7, 9)], []

    def write(rows: range, aside: Paths) -> Facts:
        if rows.start == 7 and len(written) == 2:
            raise SteepError("the disk is full")
        written.append(rows)
        return write_numbers(rows, aside)

    with pytest.raises(SteepError, match="disk is full"):
        write_parts(some, cache / "parts", write, whole)
    written.append(range(0))  # the disk has room again
    assert write_parts(some, cache / "parts", write, whole) == {"rows": 9}
    assert written == [range(3), range(3, 7), range(0), range(7, 9)]
    assert np.load(whole[0]).tolist() == list(range(9))
    assert np.load(whole[1]).tolist() == list(range(10))


@pytest.mark.skipif(cores() < 2, reason="needs two cores and fork")
def test_what_a_helper_leaves_undone_the_first_process_does(cache: Path, whole: Paths) -> None:
    here = os.getpid()

    def write(rows: range, aside: Paths) -> Facts:
        if os.getpid() != here:
            raise SteepError("nobody hears this")
        return write_numbers(rows, aside)

    some = [range(3), range(3, 7), range(7, 9)]
    assert write_parts(some, cache / "parts", write, whole) == {"rows": 9}
    assert np.load(whole[0]).tolist() == list(range(9))


SLOW = """
import sys, time
from pathlib import Path
import datasets
from steep.data import parts

def write(rows, aside):
    time.sleep(0.5)
    for path in aside:
        path.write_bytes(b"something")
    return {"rows": 1}

cache = Path(sys.argv[1])
datasets.config.HF_DATASETS_CACHE = cache
some = [range(i, i + 1) for i in range(200)]
parts.write_parts(some, cache / "parts", write, (cache / "ids.npy", cache / "offsets.npy"))
"""


def seals(cache: Path) -> set[Path]:
    return {*cache.rglob("seal.json")}


def until_none_is_added(cache: Path) -> Iterator[None]:
    while True:
        before = seals(cache)
        time.sleep(2)
        if seals(cache) == before:
            return
        yield


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_kill_leaves_finished_parts_and_no_process(cache: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(cache)])
    while len(seals(cache)) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    rounds = sum(1 for _ in until_none_is_added(cache))
    assert rounds <= 2, "a helper goes on though nobody waits for it"
    assert 2 <= len(seals(cache)) < 200
