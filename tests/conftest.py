"""Shared fixtures. `subband` is imported first: it makes torchvision importable on CPU builds of torch."""

import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import subband  # isort: skip
import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map_only

from subband.config import RecipeConfig, build_recipe, merge

TESTS = Path(__file__).parent
# Plain translations of the published graphs live beside the benchmarks that time them.
sys.path.insert(0, str(TESTS.parent / "benchmarks"))
sys.path.insert(0, str(TESTS / "golden"))

if os.environ.get("PYTEST_XDIST_WORKER"):
    torch.set_num_threads(1)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator seeded by the test's name."""
    return torch.Generator().manual_seed(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def case() -> Callable[..., AbstractContextManager[None]]:
    """Names one case of a loop: whatever fails inside `with case(mode, length):` begins with them."""

    @contextmanager
    def named(*words: Any) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise AssertionError(f"{', '.join(map(str, words))}: {error}") from error

    return named


@pytest.fixture
def write_dicom() -> Callable[..., None]:
    """Writes a small uncompressed DICOM file of 16 bits."""
    pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    def write(path: Path, values: np.ndarray, *, kind: str = "MONOCHROME2", **tags: Any) -> None:
        """Values are `(H, W)`, `(N, H, W)`, or `(H, W, 3)` for colors."""
        scan = Dataset()
        scan.file_meta = FileMetaDataset()
        scan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        scan.file_meta.MediaStorageSOPClassUID = tags.pop("sop_class", SecondaryCaptureImageStorage)
        scan.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        is_color = kind == "RGB"
        rows, columns = values.shape[:2] if is_color else values.shape[-2:]
        scan.update({"Rows": rows, "Columns": columns, "SamplesPerPixel": 3 if is_color else 1})
        scan.update({"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15})
        scan.PhotometricInterpretation, scan.PixelRepresentation = kind, int(values.dtype.kind == "i")
        if is_color:
            scan.PlanarConfiguration = 0
        elif values.ndim == 3:
            scan.NumberOfFrames = len(values)
        scan.update(tags)
        scan.PixelData = values.tobytes()
        scan.save_as(path, enforce_file_format=True)

    return write


@pytest.fixture
def in_use() -> Callable[[Path], AbstractContextManager[subprocess.Popen[str]]]:
    """Another process has the lock of a folder while the block lasts; it is killed at the end."""
    code = "import sys; from pathlib import Path; from subband.files import folder_lock\n"
    code += "with folder_lock(Path(sys.argv[1])): print(flush=True); sys.stdin.read()"

    @contextmanager
    def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-c", code, str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "\n"
                yield process
            finally:
                process.kill()

    return holder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of stored outputs of the published implementations."""
    return TESTS / "golden"


@pytest.fixture
def shared_data() -> Path:
    """Folder of real media kept beside the checkout; the test is skipped where it is absent."""
    folder = TESTS.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder of real media beside this checkout")
    return folder


@pytest.fixture
def moved() -> Callable[..., torch.Tensor]:
    """`moved(columns, rows)`: a view `(1, 3, 64, 80)` of a smooth random picture, moved by so many pixels.

    The picture has details of several sizes.
    """
    generator, height, width = torch.Generator().manual_seed(0), 128, 160
    parts = [torch.rand(1, 3, height // step, width // step, generator=generator) for step in (4, 8, 16)]
    picture = sum(F.interpolate(part, (height, width), mode="bicubic", align_corners=False) for part in parts) / 3

    def view(columns: float, rows: float) -> torch.Tensor:
        y = torch.arange(64)[:, None] + 24 - rows
        x = torch.arange(80)[None] + 24 - columns
        grid = torch.stack(torch.broadcast_tensors((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)[None]
        return F.grid_sample(picture, grid, mode="bicubic", align_corners=False)

    return view


@pytest.fixture
def plain_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM as a program in the foreground has them; a shell ignores Ctrl-C for those behind it."""
    before = [
        (number, signal.signal(number, handler))
        for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))
    ]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


TINY = {
    "task": "video_prediction",
    "model": {"name": "simvp_gsta", "args": {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "mlp_ratio": 1.0}},
    "data": {
        "name": "moving_digits",
        "batch_size": 2,
        "args": {
            "in_frames": 2,
            "out_frames": 3,
            "img_size": 16,
            "sprite_size": 8,
            "num_train": 8,
            "num_val": 4,
            "num_test": 4,
        },
    },
    "optim": {"lr": 1e-3},
    "drop_path": {"rate": 0.2},
    "trainer": {"epochs": 3, "device": "cpu", "log_every_steps": 1, "tensorboard": False},
    "evaluation": {"num_samples": 2},
}


@pytest.fixture
def tiny():
    """A recipe that trains in about a second; keyword arguments replace settings."""

    def build(**changes) -> RecipeConfig:
        return build_recipe(merge(TINY, changes))

    return build


@pytest.fixture(scope="session")
def detector_sizes() -> dict[str, Any]:
    """Arguments of a detector of three classes that is built and runs in an instant."""
    backbone = {"img_size": 64, "window": (2, 2), "dims": (8,) * 4, "depths": (1,) * 4, "num_heads": (2,) * 4}
    return {"num_classes": 3, "dim": 8, "hidden_dim": 16, "backbone_args": {**backbone, "head_dim": 4, "stem_dim": 8}}


@pytest.fixture(scope="session")
def tiny_detector(detector_sizes) -> Callable[..., Any]:
    """Builds such a detector, in evaluation, that is sure of many things; keyword arguments replace settings."""

    def build(**options: Any) -> Any:
        torch.manual_seed(3)
        model: Any = subband.create_model("wsfvit_p0_maskrcnn", **{**detector_sizes, **options})
        for head in model.heads.box_heads:
            nn.init.normal_(head.classify.weight, std=0.5)
            nn.init.normal_(head.regress.weight, std=0.05)
        return model.eval()

    return build


@pytest.fixture
def table():
    """Rows of a run's CSV file."""

    def read(folder: Path) -> list[dict[str, str]]:
        with open(folder / "metrics.csv") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture
def losses(table):
    """Training losses of a run by step, from its CSV file."""

    def read(folder: Path) -> dict[int, float]:
        return {int(row["step"]): float(row["train_loss"]) for row in table(folder) if row["train_loss"]}

    return read


def with_gradients(
    module: nn.Module, function: Callable[..., Any], inputs: tuple
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """All outputs, and the gradients of inputs and weights for a fixed slope of every output."""
    inputs = tree_map_only(torch.Tensor, lambda t: t.clone().requires_grad_(), inputs)
    outputs = [leaf for leaf in tree_leaves(function(*inputs)) if isinstance(leaf, torch.Tensor)]
    rng = torch.Generator().manual_seed(0)
    sloped = [leaf for leaf in outputs if leaf.requires_grad]
    slopes = [torch.randn(leaf.shape, generator=rng, dtype=leaf.dtype) for leaf in sloped]
    wanted = [*tree_leaves(inputs), *module.parameters()]
    grads = torch.autograd.grad(sloped, wanted, slopes, allow_unused=True, materialize_grads=True)
    return [leaf.detach() for leaf in outputs], list(grads)


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks for restoration are built with few of the parts that repeat, and for clips of two frames.

    Compilers and exporters take time for every operation; one part of each kind and one step of a recurrence in either
    direction are all that they have to meet.
    """
    enlarging, blurred = "subband.models.super_resolution", "subband.models.vd_diff"
    for place, value in {
        f"{enlarging}.basicvsr_pp.PASSES": ("backward", "forward"),
        f"{enlarging}.basicvsr_pp.HEAD_BLOCKS": 1,
        f"{enlarging}.basicvsr_pp.BasicVSRPP.example_shape": (2, 32, 32),
        f"{enlarging}.mfpi.MFPI.example_shape": (2, 32, 32),
        f"{enlarging}.spynet.NUM_LEVELS": 2,
        f"{blurred}.vd_diff.PriorRestorer.example_shape": (2, 32, 32),
        f"{blurred}.prior.NUM_BLOCKS": 1,
        f"{blurred}.propagation.NUM_BLOCKS": 1,
        "subband.models.ftdeblur.LEVELS": 2,
    }.items():
        monkeypatch.setattr(place, value)


@pytest.fixture
def check_compiled() -> Callable[..., None]:
    """Compile into one graph; outputs and gradients of inputs and weights are those of the module."""

    def check(module: nn.Module, inputs: tuple, backend: str = "aot_eager") -> None:
        torch.compiler.reset()
        compiled = torch.compile(module, fullgraph=True, backend=backend)
        results = zip(with_gradients(module, compiled, inputs), with_gradients(module, module, inputs), strict=True)
        for kind, rtol, (found, wanted) in zip(("output", "gradient"), (1.3e-6, 1e-4), results, strict=True):
            for place, (ours, plain) in enumerate(zip(found, wanted, strict=True)):
                atol = 1e-5 * max(1.0, float(plain.abs().max()))
                message = f"{kind} {place}"
                torch.testing.assert_close(ours, plain, rtol=rtol, atol=atol, msg=lambda t, m=message: f"{m}: {t}")

    return check


@pytest.fixture
def check_export() -> Callable[..., None]:
    """Export for any batch size and compare the program with the module on another batch."""

    def check(module: nn.Module, inputs: tuple) -> None:
        batch = tree_map_only(torch.Tensor, lambda _: {0: torch.export.Dim.DYNAMIC}, inputs)
        program = torch.export.export(module, inputs, dynamic_shapes=batch)
        other = tree_map_only(torch.Tensor, lambda t: torch.cat([0.5 * t.flip(0), t, -t]), inputs)
        torch.testing.assert_close(tree_leaves(program.module()(*other)), tree_leaves(module(*other)))

    return check
