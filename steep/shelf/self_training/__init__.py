"""Self-training: a teacher pseudo-labels unlabelled text, and a student learns from that, too.

A feature that the core does not know (Lee 2013, "Pseudo-Label"; Li et al. 2021): it calls `fit`
twice. It needs no file of train/.
"""

from dataclasses import dataclass

from steep.args import FitArgs
from steep.openings import TrackArgs
from steep.options import Part, option


@dataclass(frozen=True, kw_only=True)
class PseudoLabelArgs(Part):
    """Pseudo-labels."""

    confidence: float = option(
        0.9, "Confidence of the teacher that makes a pseudo-label.", least=0, most=1, common=True
    )
    per_class: int = option(
        1000, "Pseudo-labels of a class, at most; the most confident first.", least=1, common=True
    )


@dataclass(frozen=True, kw_only=True)
class SelfTrainArgs:
    """steep self-train: a teacher, its pseudo-labels, and a student."""

    fit: FitArgs = FitArgs()
    pseudo: PseudoLabelArgs = PseudoLabelArgs()


@dataclass(frozen=True, kw_only=True)
class SelfTrainCommand:
    """steep self-train, with what else the shelf adds."""

    core: SelfTrainArgs = SelfTrainArgs()
    track: TrackArgs = TrackArgs()
