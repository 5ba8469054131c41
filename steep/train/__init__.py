"""The one training loop of adapt and fit: the only room that knows fastai."""

import warnings

# fastai compiles layers that Steep does not use, in a way that torch 2.15 deprecates.
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
