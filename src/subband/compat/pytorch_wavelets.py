"""The modules of pytorch_wavelets 1.3.0 under their names: same arguments, defaults, layouts, numbers and state dict.

`from pytorch_wavelets import DWTForward` becomes `from subband.compat.pytorch_wavelets import DWTForward`, and
`import pytorch_wavelets` becomes `from subband.compat import pytorch_wavelets`. These are thin layers over
`subband.transforms`, whose functions new programs had better call.

What is different:

* Gradients are right. There they are wrong at the borders in the modes `symmetric`, `reflect` and `periodic`, and in
  `periodization` for odd sizes; and `DWTInverse` gives `yh` no gradient where `yl` needs none.
* Signals shorter than the filter have the numbers of PyWavelets in every mode. There mode `periodization` gives others,
  from which the inverse does not reconstruct, and `reflect` fails.
* Results have the dtype of the input, half precision and autocast included, computed with filters in double precision
  (float32 for half). There the filters are rounded to the default dtype at construction and must match the input.
* All boundary modes of `subband.transforms.MODES` work, not only five.
* `yl` may be `None` in every inverse. There it may not, though the documentation of `DTCWTInverse` says so.
* Every pair of `o_dim` and `ri_dim` comes back. There some, such as 4 and 2, are not understood by the inverse.

The filters in the state dict are there so that checkpoints fit in both directions. The modules compute with the filters
of their arguments; a checkpoint with other filters is refused. `ScatLayer`, `ScatLayerj2` and the functions below the
top level (`dwt.lowlevel`, ...) are not here.
"""

from subband.compat._dtcwt import DTCWTForward, DTCWTInverse
from subband.compat._dwt import DWT1DForward, DWT1DInverse, DWTForward, DWTInverse

__all__ = [
    "DTCWT",
    "DTCWTForward",
    "DTCWTInverse",
    "DWT",
    "DWT1D",
    "DWT1DForward",
    "DWT1DInverse",
    "DWT2D",
    "DWTForward",
    "DWTInverse",
    "IDTCWT",
    "IDWT",
    "IDWT1D",
    "IDWT2D",
]

DWT1D, IDWT1D = DWT1DForward, DWT1DInverse
DWT = DWT2D = DWTForward
IDWT = IDWT2D = DWTInverse
DTCWT, IDTCWT = DTCWTForward, DTCWTInverse
