"""Programs of torch.export, and how far a file is from its network."""

import torch
from torch import nn

from subband import create_model
from subband.export.difference import largest_difference
from subband.export.program import export_program


def test_a_program_computes_what_the_network_does(tmp_path):
    model = create_model("persistence", in_shape=(4, 1, 16, 16)).eval()
    assert export_program(model, torch.rand(2, 4, 1, 16, 16), tmp_path / "model.pt2", dynamic_batch=True) == 0
    frames = torch.rand(5, 4, 1, 16, 16)
    assert torch.export.load(tmp_path / "model.pt2").module()(frames).equal(model(frames))


def test_the_difference_is_a_share_of_the_largest_output():
    model, inputs = nn.Identity(), torch.tensor([[4.0, -8.0], [1.0, 2.0]])
    assert largest_difference(model, lambda x: x + 2, inputs) == 0.25
    assert largest_difference(model, lambda x: x, torch.zeros(2, 2)) == 0
    sizes = []
    largest_difference(model, lambda x: sizes.append(len(x)) or x, inputs, dynamic_batch=True)
    assert sizes == [2, 1, 4]
