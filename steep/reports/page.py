"""How does a report come into being? Read a folder, tell its story, write HTML and Markdown."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from steep.errors import SteepError
from steep.reports import run, study
from steep.reports.blocks import Page
from steep.reports.folder import RunFolder, read
from steep.reports.markdown import inline, verbatim

NAME = "report.html"


def write(folder: str | Path, out: str | Path | None = None, texts: bool = True) -> Path:
    """Write the report of a run or study folder; returns the path of the HTML page.

    The page goes to `out` (default: report.html in the folder), its Markdown twin beside it with
    the ending .md. Without `texts`, no text of the data appears in either. The same folder gives
    the same bytes. Raises SteepError if the folder is neither a run nor a study, if one of its
    files is broken, or if `out` does not end in .html or cannot be written.
    """
    folder = Path(folder)
    target = Path(out) if out else folder / NAME
    if target.suffix != ".html" or target.is_dir():
        raise SteepError(f"{target}: a report needs a file name that ends in .html.")
    found = read(folder)
    made = run.page(found, texts) if isinstance(found, RunFolder) else study.page(found, texts)
    _replace(target.with_suffix(".md"), render(made, "page.md.j2"))
    _replace(target, render(made, "page.html.j2"))
    return target


def render(page: Page, template: str) -> str:
    """The page in a template of `steep/reports/templates`."""
    environment = Environment(
        loader=PackageLoader("steep.reports"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(inline=inline, verbatim=verbatim)
    return environment.get_template(template).render(page=page).rstrip() + "\n"


def _replace(path: Path, content: str) -> None:
    """Written aside and renamed, so that a reader never sees half a page."""
    aside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_text(content, encoding="utf-8", newline="\n")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise SteepError(f"{path}: cannot be written: {error.strerror}.") from error
