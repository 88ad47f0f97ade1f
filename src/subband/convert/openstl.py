"""Checkpoints of OpenSTL: SimVP (gSTA, IncepU) and TAU. The table of WaST is in `openstl_wast.py`."""

from subband.convert._keymap import KeyMap

__all__ = ["SIMVP", "SPATIAL_RULES"]

# Encoder and decoder, which the WSF-ViT video model shares.
SPATIAL_RULES = (
    ("enc.enc.{i}.conv", "encoder.layers.{i}"),
    ("dec.dec.{i}.conv.conv.0", "decoder.layers.{i}.expand"),
    ("dec.dec.{i}.conv", "decoder.layers.{i}"),
    ("dec.readout", "decoder.readout"),
    ("hid.enc.{i}.reduction", "translator.stages.{i}.project"),
)

BLOCK = "hid.enc.{i}.block"
OWN_BLOCK = "translator.stages.{i}.block"
GATE = f"{BLOCK}.attn.spatial_gating_unit"
OWN_GATE = f"{OWN_BLOCK}.attn.gate"

SIMVP = KeyMap(
    rules=(
        *SPATIAL_RULES,
        *(
            (f"{BLOCK}.{name}", f"{OWN_BLOCK}.{name}")
            for name in ("layer_scale_1", "layer_scale_2", "norm1", "norm2", "mlp.fc1", "mlp.fc2")
        ),
        (f"{BLOCK}.mlp.dwconv.dwconv", f"{OWN_BLOCK}.mlp.depthwise"),
        (f"{BLOCK}.attn.proj_1", f"{OWN_BLOCK}.attn.proj_in"),
        (f"{BLOCK}.attn.proj_2", f"{OWN_BLOCK}.attn.proj_out"),
        (f"{GATE}.conv0", f"{OWN_GATE}.large_kernel.local"),
        (f"{GATE}.conv_spatial", f"{OWN_GATE}.large_kernel.dilated"),
        (f"{GATE}.conv1", f"{OWN_GATE}.large_kernel.pointwise"),
        (f"{GATE}.fc.0", f"{OWN_GATE}.squeeze"),
        (f"{GATE}.fc.2", f"{OWN_GATE}.excite"),
        *(
            rule
            for published, own in (("hid.enc", "translator.encoder"), ("hid.dec", "translator.decoder"))
            for rule in (
                (f"{published}.{{i}}.conv1", f"{own}.{{i}}.squeeze"),
                (f"{published}.{{i}}.layers", f"{own}.{{i}}.branches"),
            )
        ),
    )
)
