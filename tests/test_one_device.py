"""No operation mixes devices: everything the GPU check runs, forward and backward, on a device that holds no values.

There need not be a GPU: tensors without values are made for a device that PyTorch lets a program register, and every
operation on one of them and on a tensor of the CPU is refused, as it is on a GPU. Registering it changes the whole
process, so the test runs this file in one of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils import backend_registration
from torch.utils._pytree import tree_map_only

DEVICE = "card"
ROOT = Path(__file__).parent.parent
can_register = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")


@pytest.mark.slow
@pytest.mark.skipif(not can_register, reason="this torch cannot register a device")
def test_nothing_mixes_devices():
    paths = os.pathsep.join([str(ROOT / "benchmarks"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, env=environment, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    *failed, last = done.stdout.splitlines()
    assert not failed, "\n".join(failed)
    assert int(last.split()[0]) > 90  # cases


def register() -> None:
    """A device for tensors without values, with autocast."""

    class Backend(backend_registration._DummyBackendModule):
        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.bfloat16]

    backend_registration._setup_privateuseone_for_python_backend(DEVICE, Backend())
    make, convert = torch.tensor, torch.as_tensor

    # Copying numbers from Python needs memory on the device; these make a tensor without values there.
    def there(made: Tensor, device: torch.device | str | None) -> Tensor:
        return made if device is None else torch.empty(made.shape, dtype=made.dtype, device=device)

    def tensor(data, *, device=None, **options):
        return there(make(data, **options), device)

    def as_tensor(data, *, device=None, **options):
        return data.to(device) if isinstance(data, Tensor) else there(convert(data, **options), device)

    torch.tensor, torch.as_tensor = tensor, as_tensor
    Tensor.new_tensor = lambda like, data, dtype=None: tensor(data, dtype=dtype or like.dtype, device=like.device)


def on_card(tree):
    """Tensors without values on the device; a module's own are replaced."""
    if not isinstance(tree, nn.Module):
        return tree_map_only(Tensor, lambda t: torch.empty(t.shape, dtype=t.dtype, device=DEVICE), tree)
    for module in tree.modules():
        for name, value in module._parameters.items():
            if value is not None:
                module._parameters[name] = nn.Parameter(torch.empty(value.shape, device=DEVICE), value.requires_grad)
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = on_card(value)
    return tree


def main() -> None:
    """Prints a line for every case that fails, and the number of cases."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from gpu_checks import application, check, layers, models, scores, transforms
    from subband.transforms import MODES

    modules = {name: layers.build(name) for name in layers.MODULES}
    networks = {}
    for name in models.SMALL:
        model = models.build_small(name)
        networks[name] = (model, models.inputs_of(model, 2))
    register()
    check.noise = lambda *shape, seed=0, dtype=torch.float32: torch.empty(shape, dtype=dtype)
    asks_for_values = {"band_energies", "denoise_wavelet, sigma"}
    all_modes = {f"dwt2 {mode}" for mode in MODES}  # of which padding, and so `padding`, is all that differs
    count = 0

    def run(name, function, inputs, weights=(), *, has_gradient=True):
        nonlocal count
        count += 1
        try:
            with torch.set_grad_enabled(has_gradient):
                results = check.with_gradients(function, inputs, weights)
            strays = {tensor.device.type for group in results for tensor in group} - {DEVICE}
            assert not strays, f"results lie on {', '.join(strays)}"
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:300]}")

    with FakeTensorMode(allow_non_fake_inputs=False):
        for name, case in transforms.CASES.items():
            if name in all_modes:
                continue
            run(name, case.run, on_card(case.inputs()))
        for name, (module, x) in [*modules.items(), *networks.items()]:
            moved = on_card(module.train(name in networks))
            inputs = on_card(x if isinstance(x, tuple) and name in networks else (x,))
            run(name, moved, inputs, tuple(moved.parameters()))
        for name, loss in scores.LOSS_FUNCTIONS.items():
            run(name, loss, on_card(scores.clips()))
        for name, score in scores.FRAME_SCORES.items():
            run(name, score, on_card(scores.clips()), has_gradient=False)
        for name, function in application.IMAGING.items():
            if name not in asks_for_values:
                run(name, function, on_card((application.photo(),)), has_gradient=False)
        for data in [*application.sprites(), *application.photographs()]:
            run(type(data).__name__, lambda data=data: data.batch([0, 3, 9], DEVICE), (), has_gradient=False)
    print(count, "cases")


if __name__ == "__main__":
    main()
