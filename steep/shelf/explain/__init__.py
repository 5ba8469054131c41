"""Word attributions: which words raise or lower the score of a label, by integrated gradients.

A feature that the core does not know. It needs the extra 'understand' (captum), and no file of
train/.
"""

from dataclasses import dataclass

from steep.args import OverwriteArgs
from steep.args.table import ColumnArgs
from steep.options import Part, option


@dataclass(frozen=True, kw_only=True)
class AttributionArgs(Part):
    """Attributions."""

    ids: str | None = option(
        None,
        "Ids of the rows, joined by commas (row numbers where there are no ids); by default the "
        "first 8 rows.",
        common=True,
    )
    target: str | None = option(
        None, "Label whose score is explained; by default the most probable one.", common=True
    )
    n_steps: int = option(50, "Steps in which the gradients are integrated.", least=2, most=100_000)


@dataclass(frozen=True, kw_only=True)
class ExplainArgs:
    """steep explain: which words speak for a model's predictions, and which against them."""

    columns: ColumnArgs = ColumnArgs()
    attribution: AttributionArgs = AttributionArgs()
    output: OverwriteArgs = OverwriteArgs()
