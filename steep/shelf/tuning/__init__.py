"""`steep fit --tune`: a small search for the learning rate, judged on validation rows.

A feature that the core does not know: it calls `fitted` once for each rate. It needs no file of
train/.
"""

from dataclasses import dataclass

from steep.options import Part, option


@dataclass(frozen=True, kw_only=True)
class SearchArgs(Part):
    """Optimisation."""

    tune: bool = option(
        False,
        "Fit with three learning rates (a third, once and twice the one it would take), and keep "
        "the model that is best on the validation rows: three times the time.",
    )
