"""How was steep/demo_data made? From NLTK's copies of two corpora by Pang and Lee.

    python scripts/make_demo_data.py FOLDER

FOLDER holds sentence_polarity.zip and movie_reviews.zip.
"""

import csv
import io
import lzma
import sys
import zipfile
from pathlib import Path

TARGET = Path(__file__).parent.parent / "steep" / "demo_data"


def sentences(archive: zipfile.ZipFile, ending: str) -> list[str]:
    """The lines of rt-polarity.<ending>, in its order, with single spaces."""
    content = archive.read(f"sentence_polarity/rt-polarity.{ending}").decode("utf-8")
    return [" ".join(line.split()) for line in content.split("\n") if line.strip()]


def reviews(folder: Path) -> list[tuple[str, str, str]]:
    """Rows (id, text, label), negative and positive in turn; ids are file and line number."""
    with zipfile.ZipFile(folder / "sentence_polarity.zip") as archive:
        negative, positive = sentences(archive, "neg"), sentences(archive, "pos")
    rows = []
    for number, (bad, good) in enumerate(zip(negative, positive, strict=True), start=1):
        rows.append((f"neg-{number}", bad, "negative"))
        rows.append((f"pos-{number}", good, "positive"))
    return rows


def documents(folder: Path) -> list[str]:
    """The reviews by fold and file name, one sentence a line, with single spaces."""
    with zipfile.ZipFile(folder / "movie_reviews.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt") and "/cv" in name]
        names.sort(key=lambda name: name.rsplit("/", 1)[1])
        contents = [archive.read(name).decode("utf-8") for name in names]
    lines = [[" ".join(line.split()) for line in content.split("\n")] for content in contents]
    return ["\n".join(line for line in document if line) for document in lines]


def leaks(rows: list[tuple[str, str, str]], texts: list[str]) -> tuple[int, int]:
    """How many labelled sentences are a line of a document, and how many occur anywhere in one.

    Only those of five words or more; compared without spaces, so tokenisation does not matter.
    """
    lines = {squeeze(line) for text in texts for line in text.split("\n")}
    whole = "\n".join(squeeze(text) for text in texts)
    keys = [squeeze(text) for _, text, _ in rows if len(text.split()) >= 5]
    return sum(key in lines for key in keys), sum(key in whole for key in keys)


def squeeze(text: str) -> str:
    """The text without white space."""
    return "".join(text.split())


def pack(name: str, content: str) -> None:
    """Write `content` to TARGET/name.xz, the same bytes every time."""
    packed = lzma.compress(content.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME)
    (TARGET / f"{name}.xz").write_bytes(packed)
    print(f"{name}.xz: {len(packed):,} bytes, {len(content):,} characters")


def main(folder: Path) -> None:
    """Make both files, and print their sizes and overlap."""
    rows, texts = reviews(folder), documents(folder)
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\n").writerows([("id", "text", "label"), *rows])
    pack("reviews.csv", table.getvalue())
    pack("unlabelled.txt", "\n\n".join(texts) + "\n")
    unique = len({text for _, text, _ in rows})
    both = {text for _, text, label in rows if label == "negative"} & {
        text for _, text, label in rows if label == "positive"
    }
    as_line, anywhere = leaks(rows, texts)
    print(f"{len(rows):,} sentences, {unique:,} different, {len(both)} with both labels;")
    words = sum(len(text.split()) for text in texts)
    print(f"{len(texts):,} documents, {len(set(texts)):,} different, {words:,} words;")
    print(f"sentences that are a line of a document: {as_line}; anywhere in one: {anywhere}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
