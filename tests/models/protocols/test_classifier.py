"""What every classifier must do beyond its own test file: half precision, compilers and exports."""

import json

import pytest
import torch

import subband
from subband.cli.main import main
from subband.models.protocols.classifier import Classifier

WSFVIT = {"dims": (8, 16, 24, 32), "depths": (1, 1, 1, 1), "num_heads": (2, 4, 4, 8), "head_dim": 4, "stem_dim": 8}
# Small networks of every family: name, options.
FAMILIES = {
    "wsfvit": ("wsfvit_p0", {**WSFVIT, "img_size": 64}),
    "gfnet": ("gfnet_ti", {"dims": (24,), "depths": (2,), "img_size": 64}),
    "gfnet_h": ("gfnet_h_ti", {"dims": (8, 12, 16, 24), "depths": (1, 1, 1, 1), "layer_scale": 0.1, "img_size": 64}),
    "dct_resnet": ("dct_resnet50", {"depths": (1, 1, 1, 1), "width": 8, "img_size": 64}),
    "dct_resnet_coefficients": (
        "dct_resnet50",
        {"depths": (1, 1, 1, 1), "width": 8, "img_size": 64, "inputs": "coefficients"},
    ),
    "dct_resnet_gated": (
        "dct_resnet50",
        {"depths": (1, 1, 1, 1), "width": 8, "img_size": 64, "channels": 192, "gated": True},
    ),
    "dct_mobilenetv2": ("dct_mobilenetv2", {"img_size": 64}),
    "vit": ("vit_ti", {"img_size": 64, "depth": 2, "dim": 24, "num_heads": 3}),
}


# For compilers and exporters, whose time grows with the number of operations: two stages, whose windows differ.
TWO_STAGES = {**WSFVIT, **{name: WSFVIT[name][:2] for name in ("dims", "depths", "num_heads")}, "img_size": 64}
GRAPHS = {**FAMILIES, "wsfvit": ("wsfvit_p0", TWO_STAGES)}


@pytest.fixture
def two_stages(monkeypatch):
    """`GRAPHS` can be built: WSF-ViT has two stages."""
    monkeypatch.setattr("subband.models.wsfvit.parts.NUM_STAGES", 2)


def build(family: str, families: dict = FAMILIES) -> Classifier:
    """A network with running averages and gate of a trained one."""
    torch.manual_seed(3)
    name, options = families[family]
    model = subband.create_model(name, num_classes=5, **options)
    for key, value in model.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif key.endswith("running_mean"):
            value.normal_(std=0.1)
    return model.eval()


def images(model, rng, batch: int) -> torch.Tensor:
    return torch.randn(batch, model.in_chans, *model.img_size, generator=rng)


def assert_close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()
    assert wanted.abs().max() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_stays_close(rng, family):
    model = build(family)
    x = images(model, rng, 2)
    with torch.no_grad():
        exact = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(x)
    assert not mixed.equal(exact)
    assert_close(mixed.float(), exact, 0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("two_stages")
@pytest.mark.parametrize(
    ("family", "backend"), [*((family, "aot_eager") for family in FAMILIES), ("gfnet", "inductor")]
)
def test_compiles_into_one_graph(rng, family, backend):
    torch._dynamo.reset()
    model = build(family, GRAPHS)
    x = images(model, rng, 1)
    with torch.no_grad():
        assert_close(torch.compile(model, fullgraph=True, backend=backend)(x), model(x), 1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("two_stages")
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_files_take_any_batch_and_say_what_they_are(rng, tmp_path, family):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = build(family, GRAPHS)
    preprocessing = {"size": [64, 64], "mean": [0.5, 0.5, 0.5]}
    facts = {"classes": list("abcde"), "preprocessing": preprocessing}
    subband.save_model(model, tmp_path / "model", metadata=facts)
    words = ["--dynamic-batch", "--tolerance", "1e-5", "--out", str(tmp_path / "model.onnx")]
    assert main(["export", str(tmp_path / "model"), *words]) == 0
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    ((given,), (returned,)) = session.get_inputs(), session.get_outputs()
    takes_images = "coefficients" not in family
    assert (given.name, returned.name) == ("images" if takes_images else "coefficients", "logits")
    stored = session.get_modelmeta().custom_metadata_map
    assert {key: json.loads(stored[key]) for key in facts} == facts
    assert stored["model"] == FAMILIES[family][0]
    assert b"test_classifier.py" not in (tmp_path / "model.onnx").read_bytes()
    for batch in (1, 3):
        x = images(model, rng, batch)
        (found,) = session.run(None, {given.name: x.numpy()})
        with torch.no_grad():
            assert_close(torch.from_numpy(found), model(x), 1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("two_stages")
@pytest.mark.parametrize("family", FAMILIES)
def test_programs_take_any_batch(rng, tmp_path, family):
    model = build(family, GRAPHS)
    subband.save_model(model, tmp_path / "model")
    path = tmp_path / "model.pt2"
    assert main(["export", str(tmp_path / "model"), "--dynamic-batch", "--tolerance", "1e-5", "--out", str(path)]) == 0
    program = torch.export.load(path).module()
    for batch in (1, 3):
        x = images(model, rng, batch)
        with torch.no_grad():
            assert_close(program(x), model(x), 1e-5)
