"""Checkpoints of ESTRNN, as its repository stores them: under `state_dict`, with the prefix `module.model.`.

Counters that a profiler left beside the weights (`total_ops`, `total_params`) are dropped by the reader of all
checkpoints. Written back is the inner network, without the prefix.
"""

from subband.convert._keymap import KeyMap

__all__ = ["ESTRNN"]

# Published part, ours; both may stand before a residual dense block.
BLOCKS = (
    ("cell.F_B1.rdb", "encoder.1.block"),
    ("cell.F_B2.rdb", "encoder.2.block"),
    ("cell.F_R.RDBs.{i}", "trunk.blocks.{i}"),
    ("cell.F_h.1", "memory.1"),
)

ESTRNN = KeyMap(
    rules=(
        *((f"{theirs}.dense_layers.{{j}}.conv", f"{ours}.layers.{{j}}") for theirs, ours in BLOCKS),
        *((f"{theirs}.conv1x1", f"{ours}.fuse") for theirs, ours in BLOCKS),
        ("cell.F_B0", "encoder.0"),
        ("cell.F_B1.down_sampling", "encoder.1.down"),
        ("cell.F_B2.down_sampling", "encoder.2.down"),
        ("cell.F_R.conv1x1", "trunk.fuse"),
        ("cell.F_R.conv3x3", "trunk.mix"),
        ("cell.F_h.0", "memory.0"),
        ("cell.F_h.2", "memory.2"),
        ("fusion.F_f", "fusion.gate"),
        ("fusion.F_p", "fusion.correlate"),
        ("fusion.condense", "fusion.condense"),
        ("fusion.fusion", "fusion.fuse"),
        ("recons.model", "decoder"),
    )
)
