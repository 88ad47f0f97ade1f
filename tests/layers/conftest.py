"""Running exported graphs of modules."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves, tree_map_only


class Together(nn.Module):
    """Outputs of several modules by name, in one graph."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self.names, self.parts = list(modules), nn.ModuleList(modules.values())

    def forward(self, x: Any) -> dict[str, Any]:
        return {name: part(x) for name, part in zip(self.names, self.parts, strict=True)}


@pytest.fixture
def check_onnx() -> Callable[[nn.Module | dict[str, nn.Module], Any], None]:
    """Export for any batch size, run the graph in onnxruntime on another batch, and compare all outputs.

    Several modules by name become one graph, because each export costs seconds.
    """
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    def check(module: nn.Module | dict[str, nn.Module], x: Any, tolerance: float = 1e-5) -> None:
        together = Together(module if isinstance(module, dict) else {"output": module}).eval()
        batch = tree_map_only(torch.Tensor, lambda _: {0: torch.export.Dim.DYNAMIC}, (x,))
        with torch.no_grad():
            program = torch.onnx.export(together, (x,), dynamo=True, dynamic_shapes=batch, verbose=False)
            other = tree_map_only(torch.Tensor, lambda t: torch.cat([0.5 * t.flip(0), t, -t]), x)
            paths, _ = tree_flatten_with_path(together(other))
        session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
        names = [node.name for node in session.get_inputs()]
        given = {name: t.numpy() for name, t in zip(names, tree_leaves(other), strict=True)}
        outputs = session.run(None, given)
        for output, (path, wanted) in zip(outputs, paths, strict=True):
            largest = float(wanted.abs().max())  # sums of float32 numbers in another order
            found = torch.from_numpy(output)
            bounds = {"rtol": 0, "atol": tolerance * largest}
            torch.testing.assert_close(found, wanted, **bounds, msg=lambda text, path=path: f"{keystr(path)}: {text}")

    return check


@pytest.fixture
def compare_layers() -> Callable[[nn.Module, nn.Module, torch.Tensor], None]:
    """Two layers with the same weights: outputs and gradients of the input and of all weights, in both modes.

    The weights of the second may come in another order and include some that are never used.
    """

    def check(ours: nn.Module, theirs: nn.Module, x: torch.Tensor, tolerance: float = 1e-4) -> None:
        for training in (True, False):
            results = []
            for layer in (ours, theirs):
                layer.train(training).zero_grad()
                image = x.clone().requires_grad_()
                y = layer(image)
                slope = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
                y.backward(slope)
                grads = [p.grad for p in layer.parameters() if p.grad is not None]
                results.append([y.detach(), image.grad, *sorted(grads, key=lambda g: (g.shape, float(g.norm())))])
            for found, wanted in zip(*results, strict=True):
                assert found.shape == wanted.shape
                assert (found - wanted).abs().max() <= tolerance * wanted.abs().max().clamp(min=1e-3)

    return check
