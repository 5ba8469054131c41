"""How does a report come into being? Read a folder, tell its story, write HTML and Markdown."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from steep.args import AdaptArgs, CompareArgs, EvaluateArgs, FitArgs
from steep.errors import SteepError
from steep.reports.background import with_background
from steep.reports.blocks import Page, Section, present
from steep.reports.folder import RunFolder, StagePage, StudyFolder, read_folder
from steep.reports.run_page import adapt_page, classifier_page
from steep.reports.study_page import study_page
from steep.wording import inline, verbatim

NAME = "report.html"
STAGES = {
    "adapt": StagePage(AdaptArgs, adapt_page, ("masked_loss",)),
    "fit": StagePage(FitArgs, classifier_page, ("task", "metric", "valid")),
    "evaluate": StagePage(EvaluateArgs, classifier_page, ("task", "metric", "test")),
    "compare": StagePage(CompareArgs, study_page),
}
NO_PAGES: Mapping[str, StagePage] = MappingProxyType({})
Panel = Callable[[RunFolder | StudyFolder, bool], Section | None]


def write_report(
    folder: str | Path,
    out: str | Path | None = None,
    texts: bool = True,
    pages: Mapping[str, StagePage] = NO_PAGES,
    panels: Sequence[Panel] = (),
) -> Path:
    """Write the report of a run or study folder; returns the path of the HTML page.

    The page goes to `out` (default: report.html in the folder), its Markdown twin beside it with
    the ending .md. Without `texts`, no text of the data appears in either. The same folder gives
    the same bytes. `pages` are those of further stages, by name, or replace those of STAGES;
    `panels` make further sections, or None, of the folder and `texts`. Raises SteepError if the
    folder is neither a run with a page nor a study, if one of its files is broken, or if `out` does
    not end in .html or cannot be written.
    """
    folder = Path(folder)
    target = Path(out) if out else folder / NAME
    if target.suffix != ".html" or target.is_dir():
        raise SteepError(f"{target}: a report needs a file name that ends in .html.")
    stages = {**STAGES, **pages}
    found = read_folder(folder, stages)
    known = found.manifest["stage"]
    stage = stages.get(found.manifest.get("command", known), stages[known])
    sections = present(*(panel(found, texts) for panel in panels))
    made = with_background(stage.page(found, texts), found, stage.options, sections)
    _replace(target.with_suffix(".md"), _rendered(made, "page.md.j2"))
    _replace(target, _rendered(made, "page.html.j2"))
    return target


def _rendered(page: Page, template: str) -> str:
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
