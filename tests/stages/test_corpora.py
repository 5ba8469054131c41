"""Which text does step 2 read, of files of several kinds, and how often is it tokenised?"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steep.data import tokens
from steep.errors import SteepError

Steep = Callable[..., Any]
LINES = [f"the dog and the cat number {number} ran to the river ." for number in range(30)]


@pytest.fixture
def pile(tmp_path: Path) -> list[Path]:
    """Files of every kind, six texts each."""
    (tmp_path / "plain.txt").write_text("\n".join(LINES[:6]))
    with gzip.open(tmp_path / "lines.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps({"text": line}) + "\n" for line in LINES[6:12])
    pd.DataFrame({"text": LINES[12:18]}).to_parquet(tmp_path / "table.parquet")
    (tmp_path / "folder").mkdir()
    for number, line in enumerate(LINES[18:24]):
        (tmp_path / "folder" / f"{number}.txt").write_text(line)
    with gzip.open(tmp_path / "more.txt.gz", "wt") as stream:
        stream.write("\n\n".join(LINES[24:30]))
    return [
        tmp_path / name
        for name in ("plain.txt", "lines.jsonl.gz", "table.parquet", "folder", "more.txt.gz")
    ]


def test_files_of_every_kind_are_read_together_and_tokenised_once(
    steep: Steep,
    tables: Path,
    pile: list[Path],
    tiny_bert: Path,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = (tables / "single.csv", *pile, "--label label --model", tiny_bert, tiny)
    steep("adapt", *words, "--epochs 0.2 --out", tmp_path / "one")
    sources = json.loads((tmp_path / "one" / "results.json").read_text())["sources"]
    assert [source["documents"] for source in sources] == [140, 6, 6, 6, 6, 6]
    written, write = [], tokens._write

    def watched(*given: Any) -> Any:
        written.append(write(*given))
        return written[-1]

    monkeypatch.setattr(tokens, "_write", watched)
    steep("adapt", *words, "--epochs 0.2 --out", tmp_path / "two")
    assert not written, "the same text was tokenised twice"
    pile[0].write_text("\n".join([*LINES[:6], "a new line ."]))
    steep("adapt", *words, "--epochs 0.2 --out", tmp_path / "three")
    assert len(written) == 1


def test_corpora_of_one_name_are_told_apart(
    steep: Steep,
    tables: Path,
    tiny_bert: Path,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def watched(stage: str, out: Path, args: Any, corpora: dict[str, Any], *_: Any) -> None:
        seen.extend(len(corpus) for corpus in corpora.values())
        raise SteepError("that is enough")

    monkeypatch.setattr("steep.train.session.session", watched)
    for folder, count in (("one", 2), ("other", 3)):
        (tmp_path / folder / "train").mkdir(parents=True)
        for number in range(count):
            (tmp_path / folder / "train" / f"{number}.txt").write_text(LINES[number])
    files = (tables / "single.csv", tmp_path / "one" / "train", tmp_path / "other" / "train")
    words = ("--label label --model", tiny_bert, tiny, "--out", tmp_path / "out")
    steep("adapt", *files, *words, code=2)
    assert len(seen) == 5
    assert seen[3:] == [2, 3]


def test_a_sign_that_is_no_line_end_makes_no_paragraphs(
    steep: Steep, tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join([*LINES[:10], "one \x85\x85 film", *LINES[10:20]]), encoding="utf-8")
    out = tmp_path / "out"
    steep("adapt", path, "--model", tiny_bert, tiny, "--epochs 0.2 --out", out)
    assert json.loads((out / "results.json").read_text())["documents"] == 21


def test_files_are_read_as_often_as_asked_and_documents_share_windows(
    steep: Steep, tables: Path, pile: list[Path], tiny_bert: Path, tiny: str, tmp_path: Path
) -> None:
    words = (tables / "single.csv", *pile, "--label label --model", tiny_bert, tiny)
    steep("adapt", *words, "--epochs 0.2 --out", tmp_path / "plain")
    how = "--pack --file-weight single.csv=0.5 --file-weight plain.txt=3 --epochs 0.2 --out"
    shown = steep("adapt", *words, how, tmp_path / "packed").stderr
    windows = {
        name: json.loads((tmp_path / name / "results.json").read_text())["windows"]
        for name in ("plain", "packed")
    }
    assert windows["packed"] < windows["plain"]
    assert "windows are packed into" in shown
    assert "plain.txt: read 3 times" in shown
    assert "single.csv: read 0.5 times" in shown
    found = steep("adapt", *words, "--file-weight x.txt=2 --out", tmp_path / "no", code=2).output
    assert "there is no such file" in found
