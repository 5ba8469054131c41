"""How are plain text files read? One document a file, a paragraph or a line; folders by class."""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from steep.args.table import Unit
from steep.data import files
from steep.data.raw import TEXT, Raw, chunks, record_batch
from steep.errors import SteepError
from steep.wording import counted, some

DOCUMENT = {"id": TEXT, "text": TEXT}
LABELLED = DOCUMENT | {"label": TEXT}
LONG = 1000  # lines of a paragraph that is hardly one


def open_plain(path: Path, unit: Unit) -> Raw:
    """A plain text file. `auto`: paragraphs where blank lines separate some, else lines."""
    start = files.sample(path)
    where = files.shown_path(path)
    name = Path(where).name
    if start.lstrip().startswith('{"'):
        raise SteepError(f"{where}: this looks like JSON lines. Name it {Path(where).stem}.jsonl")
    chosen = _choose(start) if unit == "auto" else unit
    notes = [f"{name}: one document a {chosen} (--unit)"]
    if unit == "auto" and len(start) >= files.SAMPLE:
        notes += _against_the_rest(path, name, chosen)

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        documents = ((f"{name}:{line}", text) for line, text in _documents(path, chosen))
        return _select(documents, DOCUMENT, names)

    return Raw(where, DOCUMENT, batches, (path,), tuple(notes))


def open_folder(path: Path, unit: Unit, classes: bool) -> Raw:
    """A folder of plain text files; with `classes` by class if two sub-folders or more hold some.

    The identifier of a document is its path inside the folder.
    """
    if classes and has_class_folders(path):
        return _open_by_class(path, unit)
    return _open_unlabelled(path, unit)


def has_class_folders(path: Path) -> bool:
    """Whether two sub-folders or more hold text files."""
    return len({file.parent for file in _by_class(path)}) > 1


def text_files(path: Path) -> list[Path]:
    """All plain text files below a folder, sorted by path; hidden ones left out."""
    return [file for file in files.files_below(path) if files.suffix(file) in files.PLAIN]


def _open_by_class(path: Path, unit: Unit) -> Raw:
    found, where = _by_class(path), files.shown_path(path)
    name, extra = Path(where).name, len(text_files(path)) - len(found)
    notes = [f"{name}: labels are the names of the sub-folders", *_not_read(path, name)]
    if extra:
        notes.append(f"{name}: {extra:,} text files outside of the class folders are not read")
    if unit not in ("auto", "file"):
        notes.append(f"{name}: with classes by folder, a document is a file, not a {unit}")

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = ((_inside(f, path), _whole(f), files.shown_path(Path(f.parent.name))) for f in found)
        return _select(rows, LABELLED, names)

    return Raw(where, LABELLED, batches, tuple(found), tuple(notes))


def _open_unlabelled(path: Path, unit: Unit) -> Raw:
    found, where = text_files(path), files.shown_path(path)
    if not found:
        raise SteepError(f"{where}: the folder holds no text files ({', '.join(files.PLAIN)}).")
    chosen: Unit = "file" if unit == "auto" else unit
    name = Path(where).name
    note = f"{name}: {len(found):,} text files, one document a {chosen} (--unit)"
    notes = (note, *_not_read(path, name))

    def documents() -> Iterator[tuple[str, str]]:
        for file in found:
            inside = _inside(file, path)
            for line, text in _documents(file, chosen):
                yield (inside if chosen == "file" else f"{inside}:{line}"), text

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return _select(documents(), DOCUMENT, names)

    return Raw(where, DOCUMENT, batches, tuple(found), notes)


def _not_read(path: Path, name: str) -> list[str]:
    """A note on the files of other kinds, which may be a class of their own."""
    other = [f for f in files.files_below(path) if files.suffix(f) not in files.PLAIN]
    if not other:
        return []
    shown = some([_inside(file, path) for file in other], 3)
    return [
        f"{name}: {counted(len(other), 'file')} of other kinds not read ({shown}); text files end "
        f"in {', '.join(files.PLAIN)}"
    ]


def _inside(file: Path, folder: Path) -> str:
    return files.shown_path(file.relative_to(folder))


def _by_class(path: Path) -> list[Path]:
    return [file for file in text_files(path) if file.parent.parent == path]


def _choose(start: str) -> Unit:
    lines = io.StringIO(start, newline=None)  # str.splitlines also breaks at rare characters
    return "paragraph" if len(list(_blocks(enumerate(lines, 1)))) > 1 else "line"


def _against_the_rest(path: Path, name: str, chosen: Unit) -> list[str]:
    """What of a file speaks against the choice, which was made by its first characters."""
    gaps = longest = run = 0
    for line in files.lines(path):
        run = run + 1 if line.strip() else 0
        gaps, longest = gaps + (run == 1), max(longest, run)
    if chosen == "line" and gaps > 1:
        return [
            f"{name}: further down, blank lines part its text into {gaps:,} paragraphs. If these "
            "are the documents: --unit paragraph"
        ]
    if chosen == "paragraph" and longest > LONG:
        return [
            f"{name}: its longest paragraph has {longest:,} lines. If a line is a document: "
            "--unit line"
        ]
    return []


def _documents(path: Path, unit: Unit) -> Iterator[tuple[int, str]]:
    """Line number (from 1) at which a document begins, and its text."""
    if unit == "file":
        yield 1, _whole(path)
        return
    lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(files.lines(path), 1))
    yield from _blocks(lines) if unit == "paragraph" else lines  # a blank line is an empty text


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Runs of lines that are not blank, with the number of their first line."""
    first = 0
    block: list[str] = []
    for number, line in lines:
        if line.strip():
            first = first if block else number
            block.append(line)
        elif block:
            yield first, "\n".join(block)
            block = []
    if block:
        yield first, "\n".join(block)


def _whole(path: Path) -> str:
    text = files.whole_text(path, files.LONGEST_TEXT)
    if text is None:
        raise SteepError(
            f"{files.shown_name(path)}: longer than {files.LONGEST_TEXT:,} characters, too long "
            "for one document. Use --unit paragraph or --unit line."
        )
    return text


def _select(
    rows: Iterable[Sequence[str]], columns: dict[str, pa.DataType], names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for chunk in chunks(rows):
        yield record_batch(columns, chunk).select(list(names))
