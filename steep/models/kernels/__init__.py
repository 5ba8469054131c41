"""What makes training fast on a CPU? Faster versions of a Hugging Face model's layers, in place.

    kernels.install(model, seed)        # same parameters, same state_dict, faster layers
    loss = kernels.cross_entropy(logits, labels)
    kernels.remove(model)               # the plain model again

The parameters stay fp32 and stay the same objects; activations are bf16 where the processor has
instructions for it. All of it is pure torch. See docs/performance.md for what each part buys, and
docs/engine.md for the internals of torch and transformers that the layers lean on: the place to
start when a new version of either breaks them.
"""

from steep.models.kernels.fast_layers import cross_entropy
from steep.models.kernels.install import draw_on, drawn, fast_dtype, install, remove
from steep.models.kernels.reading import reading, reads_first

__all__ = [
    "cross_entropy",
    "draw_on",
    "drawn",
    "fast_dtype",
    "install",
    "reading",
    "reads_first",
    "remove",
]
