"""How many copies of held-out rows does the leak guard find, and what does it take for copies?

    python -m benchmarks.leaks [--data DIR] [--sizes 200000 1000000] [--out FILE]

Of held-out rows, 100 copies of every kind are planted among labelled training rows, which `load`
reads with `drop_leaks`, and in unlabelled text, as `steep adapt` reads it. What is left of them was
missed. The rows are sentences of film reviews from `--data` (`sst_mr_cr_mpqa`), else the bundled
ones. Rows of Chinese, Japanese and Thai are drawn from characters of a sentence. False alarms are
counted over texts of other sources (`--data` alone). Time and peak memory are those of a table of
many rows, each the halves of two real sentences, in a process of its own: to read it, then to split
and guard it, with 2,000 test rows given, or by the default shares.
"""

import argparse
import gzip
import html
import json
import lzma
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import pandas as pd

from steep.args.table import ColumnArgs, SplitArgs, TableArgs
from steep.data.leaks import find_leaks, held_out, rows_of, texts_of
from steep.data.load import load, read_table, read_texts
from steep.data.shingles import LONG
from steep.data.step2_text import without_leaks
from steep.data.words import plain_words, words_in
from steep.options import make

BUNDLED = Path(__file__).parents[1] / "steep" / "demo_data" / "reviews.csv.xz"
PLANTED, TRAIN, HELD = 100, 3000, 2000
UNSPACED = {
    "Chinese": "这部电影的结尾比导演以前拍过任何东西都好看我们昨天去河边看那只很大白色鸟今晚再说",
    "Japanese": "この映画はとても面白かったので友達と一緒にもう度見に行きたい思います楽し",
    "Thai": "ภาพยนตร์เรื่องนี้สนุกมากฉันอยากดูอีกครั้งกับเพื่อนที่บ้านในวันพรุ่งนี้",
}
Draw = random.Random


def changed(text: str, draw: Draw) -> str:
    """One word in ten is another, at least one."""
    words = text.split()
    for at in draw.sample(range(len(words)), max(1, len(words) // 10)):
        words[at] = "other"
    return " ".join(words)


def sprinkled(sign: str) -> Callable[[str, Draw], str]:
    """The text with a sign within a third of its words."""

    def copy(text: str, draw: Draw) -> str:
        words = (w[:1] + sign + w[1:] if draw.random() < 0.34 else w for w in text.split())
        return sign + " ".join(words)

    return copy


def stopped(text: str, _: Draw) -> str:
    """A final full stop more, or less."""
    bare = text.rstrip(" .")
    return bare if bare != text else f"{text}."


def embedded(text: str, draw: Draw) -> str:
    """The row among words of a longer one."""
    before, after = (" ".join(draw.choices(FILLING.split(), k=10)) for _ in range(2))
    return f"{before} {text} {after}"


FILLING = (
    "we had been told by a friend of my brother that he saw it last week and then went home early "
    "with his two dogs because nobody else in town would have gone there on such a rainy day"
)
COPIES: dict[str, Callable[[str, Draw], str]] = {
    "exact": lambda text, _: text,
    "case": lambda text, _: text.upper(),
    "punctuation": lambda text, _: "".join(s for s in text if s.isalnum() or s == " ") + " !",
    "HTML entities": lambda text, _: "".join(
        f"&#{ord(s)};" if s in "'.,-" else html.escape(s) for s in text
    ),
    "&nbsp;": lambda text, _: text.replace(" ", "&nbsp;"),
    "no-break spaces": lambda text, _: text.replace(" ", "\u00a0"),
    "zero width": sprinkled("\u200b"),
    "soft hyphens": sprinkled("\u00ad"),
    "white space": lambda text, _: "  " + text.replace(" ", " \t "),
    "one word in ten changed": changed,
    "embedded": embedded,
    "full stop": stopped,
}


def sentences(data: Path | None) -> list[str]:
    """Different sentences of film reviews, in a random order that never changes."""
    if data is None:
        with lzma.open(BUNDLED, "rt", encoding="utf-8") as stream:
            found = list(pd.read_csv(stream)["text"])
    else:
        path = data / "sst_mr_cr_mpqa" / "rt-polarity.all.gz"
        with gzip.open(path, "rt", encoding="latin-1") as stream:
            found = [line.split(" ", 1)[1].strip() for line in stream]
    found = list(dict.fromkeys(found))
    Draw(0).shuffle(found)
    return found


def plantings(rows: list[str]) -> dict[str, list[tuple[str, str]]]:
    """By kind, pairs of a held-out row and its copy."""
    long = [text for text in rows if len(plain_words(text)) >= LONG]
    short = [text for text in rows if len(plain_words(text)) < LONG]
    pools = {"full stop": short, "one word in ten changed": long, "embedded": long}
    found = {}
    for kind, copy in COPIES.items():
        draw = Draw(kind)
        chosen = draw.sample(pools.get(kind, rows), PLANTED)
        found[kind] = [(text, copy(text, draw)) for text in chosen]
    draw = Draw("all lengths")
    found["embedded, of all lengths"] = [(t, embedded(t, draw)) for t in draw.sample(rows, PLANTED)]
    for language, characters in UNSPACED.items():
        draw = Draw(language)
        found[language] = [_unspaced(characters, draw) for _ in range(PLANTED)]
    return found


def _unspaced(characters: str, draw: Draw) -> tuple[str, str]:
    """A row of 40 to 80 characters, and a copy with one in twenty changed, of a longer row."""
    known = words_in(characters)  # with their marks
    signs = draw.choices(known, k=draw.randint(40, 80))
    row = "".join(signs)
    for at in draw.sample(range(len(signs)), len(signs) // 20):
        signs[at] = draw.choice(known)
    return row, "".join([*draw.choices(known, k=10), "。", *signs, "\u200b！"])


def caught(pairs: list[tuple[str, str]], others: list[str], folder: Path) -> dict[str, int]:
    """How many of the copies are found among labelled rows, and in unlabelled text."""
    test, copies = map(list, zip(*pairs, strict=True))
    rows = [("own", text) for text in others] + [("copy", text) for text in copies]
    table = pd.DataFrame(rows, columns=["id", "text"])
    table["label"] = ["ab"[number % 2] for number in range(len(table))]
    table.to_csv(folder / "train.csv", index=False)
    held = pd.DataFrame({"text": test, "label": ["ab"[n % 2] for n in range(len(test))]})
    held.to_csv(folder / "test.csv", index=False)
    how = make(SplitArgs, test=folder / "test.csv", valid_share=0.0, drop_leaks=True)
    read = make(TableArgs, label="label")
    left = list(load(folder / "train.csv", read, how).train.table["id"])
    index = held_out(texts_of([read_table(folder / "test.csv", read)]))
    pile = read_texts([folder / "train.csv"], ColumnArgs(id="id"))
    kept = list(without_leaks(pile, index, lambda _: None).table["id"])
    return {
        "labelled": PLANTED - left.count("copy"),
        "unlabelled": PLANTED - kept.count("copy"),
        "others_labelled": len(others) - left.count("own"),
    }


def sources(data: Path) -> dict[str, list[str]]:
    """Texts by source, some thousands each."""
    imdb = pd.read_json(data / "imdb" / "test.jsonl.gz", lines=True)["text"]
    news = pd.read_json(data / "20newsgroups_bydate" / "train.jsonl.gz", lines=True)["text"]
    agency = pd.read_csv(data / "ag_news" / "test_7600.csv.gz").iloc[:, -1]
    bank = pd.read_csv(data / "banking77" / "train.csv")["text"]
    found = {"imdb": imdb, "20newsgroups": news, "ag_news": agency, "banking77": bank}
    return {
        name: [t for t in map(str, texts[:11_000]) if t.strip()] for name, texts in found.items()
    }


def alarms(data: Path) -> list[dict[str, Any]]:
    """For each two sources, how many texts of one are found to copy 2,000 rows of the other."""
    found = []
    corpora = {
        name: read_texts([pd.DataFrame({"text": texts})], ColumnArgs())
        for name, texts in sources(data).items()
    }
    for name, rows in corpora.items():
        index = held_out([rows_of(rows.take(range(HELD)))])
        for other, texts in corpora.items():
            if other != name:
                leaks = find_leaks(rows_of(texts), index)
                found.append({"held": name, "texts": other, "count": len(texts)})
                found[-1]["alarms"] = int(leaks.found.sum())
    return found


def large(size: int, given: bool, parts: list[str]) -> dict[str, Any]:
    """What a table of `size` rows takes; test rows are `given`, or the default share.

    Seconds of a processor to read it, without held-out rows, then to split and guard it; MB before,
    and at most.
    """
    draw = Draw(size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        datasets.config.HF_DATASETS_CACHE = folder / "cache"
        _write(folder / "train.csv", size, parts, draw)
        _write(folder / "test.csv", HELD, parts, draw)
        how = make(SplitArgs, test=folder / "test.csv") if given else SplitArgs()
        read, before = make(TableArgs, label="label"), _memory()
        begin = time.process_time()
        load(folder / "train.csv", read, make(SplitArgs, valid_share=0.0, test_share=0.0))
        seconds = [time.process_time() - begin]
        begin = time.process_time()
        whole = load(folder / "train.csv", read, how)
        seconds.append(time.process_time() - begin)
    rows = {part: len(corpus) for part, corpus in whole.parts.items()}
    counts = whole.copies.counts["train"] if whole.copies else {}
    found = {"rows": size, "given": given, "parts": rows, "copies": sum(counts.values())}
    return found | {"cpu_seconds": seconds, "mb": [before, _memory()]}


def _write(path: Path, size: int, parts: list[str], draw: Draw) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write("text,label\n")
        for number in range(size):
            one, two = (draw.choice(parts).replace('"', "").split() for _ in range(2))
            text = " ".join([*one[: len(one) // 2], *two[len(two) // 2 :], str(number)])
            stream.write(f'"{text}",{"ab"[number % 2]}\n')


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _long_sentences(data: Path | None) -> list[str]:
    """Sentences to make many rows of: of IMDB's reviews, else of the bundled ones."""
    if data is None:
        return sentences(None)
    reviews: Iterable[str] = pd.read_json(data / "imdb" / "train.jsonl.gz", lines=True)["text"]
    found = (part.strip() for text in reviews for part in text.split(". "))
    return [part for part in found if 10 <= len(part.split()) <= 40]


def main() -> None:
    """Print what was caught, false alarms, time and memory; keep it in a file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of real data sets")
    parser.add_argument("--sizes", type=int, nargs="*", default=[200_000, 1_000_000])
    parser.add_argument("--out", type=Path, help="JSON file")
    args = parser.parse_args()
    texts, result = sentences(args.data), {}
    held, others = texts[:HELD], texts[HELD : HELD + TRAIN]
    result["planted"] = PLANTED
    result["caught"] = {}
    for kind, pairs in plantings(held).items():
        with tempfile.TemporaryDirectory() as folder:
            result["caught"][kind] = found = caught(pairs, others, Path(folder))
        print(f"{kind}: {json.dumps(found)}", flush=True)
    result["alarms"] = alarms(args.data) if args.data else []
    for line in result["alarms"]:
        print(json.dumps(line), flush=True)
    result["large"], parts = [], _long_sentences(args.data)
    for size in args.sizes:
        for given in (True, False):
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, context) as pool:
                result["large"].append(pool.submit(large, size, given, parts).result())
            print(json.dumps(result["large"][-1]), flush=True)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
