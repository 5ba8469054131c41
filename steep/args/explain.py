"""Which options has the explanation of single rows?"""

from dataclasses import dataclass

from steep.args.run import ColumnArgs
from steep.config import option


@dataclass(frozen=True, kw_only=True)
class ExplainArgs(ColumnArgs):
    """steep explain: which words speak for a model's answers, and which against them."""

    rows: str | None = option(
        None, "Ids of the rows, joined by commas (row numbers without ids); default the first 8."
    )
    target: str | None = option(
        None, "Label whose score is explained; by default the one that is most probable."
    )
    steps: int = option(50, "Points on the way from hidden words to the text.", least=2)
    overwrite: bool = option(False, "Replace the output folder if it exists.")
