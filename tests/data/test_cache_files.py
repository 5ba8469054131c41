"""Is the cache deleted, cut, exchanged or full without harm? It is made anew, or one sentence."""

import errno
import os
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import datasets
import numpy as np
import pytest
from transformers import AutoTokenizer

from steep.args.table import ColumnArgs
from steep.data import cache_files, readers, tokens
from steep.data.cache_files import (
    cache_folder,
    explained,
    fingerprint,
    kept,
    partial,
    remove_left_over,
)
from steep.data.corpus import Corpus, join_corpora
from steep.data.load import read_texts
from steep.data.tokens import tokenize
from steep.data.words import split_sentences
from steep.errors import SteepError

TEXTS = [f"the film was number {i}. the dog ran" for i in range(60)]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the cache says."""
    lines: list[str] = []
    monkeypatch.setattr(cache_files, "say", lines.append)
    return lines


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path):
    return AutoTokenizer.from_pretrained(tiny_bert)


def read(path: Path) -> Corpus:
    return read_texts([path], ColumnArgs(unit="line"))


def everything(path: Path, tokenizer) -> list[object]:
    """All that is taken from the cache of a file: its rows, those chosen, sentences, tokens."""
    corpus = read(path)
    chosen = join_corpora([corpus.take(np.array([5, 2, 9]))])
    parts, documents = split_sentences(corpus)
    made = tokenize(corpus, tokenizer)
    texts = [list(one.table["text"]) for one in (corpus, chosen, parts)]
    return [*texts, documents.tolist(), made.ids.tolist(), made.offsets.tolist()]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def exchanged(path: Path) -> None:
    """Another content of the same size and time."""
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def sparse(path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, 0)
    os.truncate(path, size)


DAMAGE = {
    "cut": cut,
    "gone": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "exchanged": exchanged,
    "sparse": sparse,
    "an object": lambda path: path.write_text("{}"),
    "a list": lambda path: path.write_text("[1]"),
    "deep": lambda path: path.write_text("[" * 60_000),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("part", ["data", "seal.json"])
def test_what_does_not_match_its_seal_is_made_anew(
    cache: Path, said: list[str], part: str, damage: str
) -> None:
    made = []

    def make(aside: Sequence[Path]) -> dict[str, int]:
        made.append(aside)
        aside[0].write_text("something")
        return {"rows": 7}

    def read_entry() -> None:
        assert kept(cache / "seal.json", [cache / "data"], make) == {"rows": 7}
        assert (cache / "data").read_text() == "something"

    read_entry()
    read_entry()
    assert (len(made), said) == (1, [])
    DAMAGE[damage](cache / part)
    read_entry()
    assert len(made) == 2
    assert "this part of the cache is incomplete or damaged" in said.pop()
    read_entry()
    assert (len(made), said) == (2, [])


@pytest.mark.parametrize("change", [Path.touch, lambda path: path.chmod(0o600)])
def test_what_was_touched_is_as_good(cache: Path, said: list[str], change) -> None:
    seal, path = cache / "seal.json", cache / "data"
    kept(seal, [path], lambda aside: {"size": aside[0].write_text("x")})
    change(path)
    before = seal.read_text()
    assert kept(seal, [path], lambda _: pytest.fail("made again")) == {"size": 1}
    assert seal.read_text() != before, "its state is known now, and nothing is hashed again"
    assert said == []


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> tuple[Path, Path, list[object]]:
    """A text file, the cache that was filled from it, and what is in it."""
    folder = tmp_path_factory.mktemp("filled")
    path = folder / "t.txt"
    path.write_text("\n".join(TEXTS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
        return path, folder / "cache", everything(path, tokenizer)


def test_every_file_of_the_cache_may_be_cut(
    filled, cache: Path, tokenizer, said: list[str]
) -> None:
    path, full, expected = filled
    shutil.copytree(full, cache)
    files = [file for file in sorted(cache.rglob("*")) if file.is_file()]
    assert len(files) == 9, (
        "two each for the table, the chosen rows, the sentences; tokens have three"
    )
    assert everything(path, tokenizer) == expected
    assert said == [], "a copy of the cache is as good"
    for file in files:
        cut(file)
    assert everything(path, tokenizer) == expected
    assert len(said) == 4
    assert everything(path, tokenizer) == expected
    assert len(said) == 4


def test_the_cache_may_be_deleted_while_it_is_used(filled, cache: Path, tokenizer) -> None:
    path, full, expected = filled
    shutil.copytree(full, cache)
    corpus = read(path)
    made, (parts, _) = tokenize(corpus, tokenizer), split_sentences(corpus)
    shutil.rmtree(cache)
    assert list(corpus.table["text"]) == expected[0]
    assert list(parts.table["text"]) == expected[2]
    assert made.ids.tolist() == expected[4]
    assert everything(path, tokenizer) == expected


@pytest.mark.parametrize("damage", ["emptied", "exchanged", "a list"])
@pytest.mark.parametrize("place", [cache_files, tokens], ids=["table", "tokens"])
def test_what_changes_before_it_is_opened_is_one_sentence(
    place: ModuleType, damage: str, filled, cache: Path, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, full, _ = filled
    shutil.copytree(full, cache)

    def kept_then_damaged(seal: Path, paths: Sequence[Path], make: cache_files.Make) -> dict:
        facts = kept(seal, paths, make)
        for file in paths:
            DAMAGE[damage](file)
        return facts

    monkeypatch.setattr(place, "kept", kept_then_damaged)
    with pytest.raises(SteepError, match="was changed in this moment .*Run it again"):
        everything(path, tokenizer)


def test_a_table_that_changed_in_place_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("one text\nanother")
    before = path.stat()
    assert list(read(path).table["text"]) == ["one text", "another"]
    path.write_text("new text\nanother")  # as long, as old
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(read(path).table["text"]) == ["new text", "another"]


@pytest.mark.parametrize("whole", [0, 1 << 26], ids=["a large file", "a small file"])
def test_a_fingerprint_changes_with_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    monkeypatch.setattr(cache_files, "WHOLE", whole)
    monkeypatch.setattr(cache_files, "ENDS", 2)
    path = tmp_path / "t.txt"
    path.write_bytes(b"a" * 9)
    first, before = fingerprint(path), path.stat()
    assert fingerprint(path) == first
    for place in (0, 4, 8):
        path.write_bytes(b"a" * place + b"b" + b"a" * (8 - place))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert fingerprint(path) != first
    with pytest.raises(SteepError, match="gone.txt: there is no such file"):
        fingerprint(tmp_path / "gone.txt")


def test_a_table_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.txt"
    path.write_text("one text\nanother")
    shaped = readers._shape

    def written(*args: object) -> object:
        path.write_text("other\ntext")
        return shaped(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_shape", written)
        with pytest.raises(SteepError, match="has changed while it was read. Run it again"):
            read(path)
    assert list(read(path).table["text"]) == ["other", "text"]


@contextmanager
def no_larger_than(size: int) -> Iterator[None]:
    """No file may be larger than that: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(
    filled, cache: Path, tokenizer
) -> None:
    path, _, expected = filled
    stages: list[Callable[[], object]] = [
        lambda: read(path),
        lambda: join_corpora([read(path).take(np.array([5, 2, 9]))]),
        lambda: split_sentences(read(path)),
        lambda: tokenize(read(path), tokenizer),
        lambda: cache_files.scratch((100, 2), np.int64),
    ]
    for stage in stages:
        before = sorted(cache.rglob("*.*"))
        with no_larger_than(64), pytest.raises(SteepError, match="the cache cannot be used: File"):
            stage()
        assert sorted(cache.rglob("*.*")) == before
        stage()
    assert everything(path, tokenizer) == expected


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "the disk is full. Make room"),
        (errno.EDQUOT, "the disk is full. Make room"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_a_full_disk_is_named(cache: Path, code: int, told: str) -> None:
    message = rf"a/b: the cache cannot be used: {told}.*{cache}"
    with pytest.raises(SteepError, match=message), explained(Path("a/b")):
        raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("place", ["", "steep", "steep/read"])
def test_a_file_in_the_place_of_a_folder(filled, cache: Path, place: str) -> None:
    (cache / place).parent.mkdir(parents=True, exist_ok=True)
    (cache / place).write_text("not a folder")
    with pytest.raises(SteepError, match="the cache cannot be used"):
        read(filled[0])
    assert (cache / place).read_text() == "not a folder"


def test_a_folder_in_the_place_of_a_file(filled, cache: Path) -> None:
    shutil.copytree(filled[1], cache)
    (file,) = cache_folder().glob("read/*.arrow")
    file.unlink()
    (file / "mine").mkdir(parents=True)
    with pytest.raises(SteepError, match="the cache cannot be used: Is a directory"):
        read(filled[0])
    assert (file / "mine").is_dir()


def test_what_dead_processes_left_is_removed_and_what_others_write_is_not(cache: Path) -> None:
    folder = cache_folder() / "tokens" / "a"
    folder.mkdir(parents=True)
    left = ["raw-1", "ids-7.npy", "offsets-7.npy", "t.arrow.12", "t.json.9.partial", "x.partial"]
    others = ["ids.npy", "offsets.npy", "seal.json", "t.arrow", "raw", "rows.csv"]
    for name in (*left, *others):
        (folder / name).write_text("something")
    with ExitStack() as stack:  # as in two containers: one number, one entry, at the same time
        mine = [stack.enter_context(partial(folder / "ids.npy")) for _ in range(2)]
        remove_left_over(cache_folder())
        assert sorted(folder.iterdir()) == sorted([*mine, *(folder / name for name in others)])
        for number, aside in enumerate(mine):
            aside.write_text(str(number))
    assert sorted(folder.iterdir()) == sorted(folder / name for name in others)
    assert (folder / "ids.npy").read_text() in "01"


def test_two_runs_that_make_one_entry_leave_it_whole(cache: Path, said: list[str]) -> None:
    seal, path = cache / "seal.json", cache / "data"

    def make(aside: list[Path], depth: int = 2) -> dict[str, int]:
        if depth:  # another run is faster
            kept(seal, [path], lambda there: make(there, depth - 1))
        aside[0].write_text("the same")
        return {"rows": 1}

    assert kept(seal, [path], make) == {"rows": 1}
    assert kept(seal, [path], lambda _: pytest.fail("made again")) == {"rows": 1}
    assert path.read_text() == "the same"
    assert said == []


def test_a_cache_that_is_deleted_while_it_is_written_is_written_again(cache: Path) -> None:
    seal, path, made = cache / "seal.json", cache / "data", []

    def make(aside: Sequence[Path]) -> dict[str, int]:
        made.append(aside)
        aside[0].write_text("something")
        if len(made) == 1:
            shutil.rmtree(cache)
        return {"rows": 1}

    assert kept(seal, [path], make) == {"rows": 1}
    assert kept(seal, [path], lambda _: pytest.fail("made again")) == {"rows": 1}
    assert (len(made), path.read_text()) == (2, "something")


def test_what_fails_while_it_is_made_leaves_the_old(cache: Path) -> None:
    seal, path = cache / "seal.json", cache / "data"

    def fails(aside: list[Path]) -> dict[str, int]:
        aside[0].write_text("half")
        raise SteepError("row 3 cannot be read")

    with pytest.raises(SteepError, match="row 3"):
        kept(seal, [path], fails)
    assert list(cache.iterdir()) == []


def test_no_tokens_at_all_are_kept(cache: Path, tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steep.data.tokens.CHUNK", 1)
    table = datasets.Dataset.from_dict({"row": range(3), "text": ["", " ", "\x00"]})
    for _ in range(2):
        tokens = tokenize(Corpus(table, "memory"), tokenizer)
        assert tokens.lengths.tolist() == [0, 0, 0]
        assert tokens.ids.dtype == np.int32
