"""Restorers of single images from files that spandrel knows: per frame, in tiles, resumed; what is refused."""

import pytest
import torch

from subband.cli.main import main
from subband.convert import ImageRestorer, load_image_restorer
from subband.media import read_clip, write_clip, write_image
from subband.media.images import read_image
from subband.predictors import VideoRestorer

spandrel = pytest.importorskip("spandrel", reason="the extra spandrel is not installed")


def weights(network, file, wrapper="params"):
    """A file of fresh weights that do something to an image."""
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        if name.endswith(("beta", "gamma")):
            torch.nn.init.normal_(parameter, std=0.3)
    torch.save({wrapper: network.state_dict()}, file)
    return network.eval()


@pytest.fixture
def nafnet(tmp_path):
    from spandrel.architectures.NAFNet import NAFNet

    size = {"width": 4, "middle_blk_num": 1, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}
    return weights(NAFNet(img_channel=3, **size), tmp_path / "nafnet.pth")


def test_a_clip_is_restored_frame_by_frame(tmp_path, nafnet):
    """By the command, with any number of frames at a time, as the network itself restores each frame."""
    frames = (torch.rand(5, 3, 32, 48) * 255).round() / 255
    write_clip(tmp_path / "frames", frames)
    words = [str(tmp_path / "frames"), str(tmp_path / "out"), "--model", str(tmp_path / "nafnet.pth")]
    assert main(["deblur", *words]) == 0
    with torch.inference_mode():
        expected = torch.cat([nafnet(frame[None]) for frame in frames]).clamp(0, 1)
    assert (expected - frames).abs().max() > 0.05
    found = read_clip(tmp_path / "out")
    assert (found - expected).abs().max() < 0.6 / 255
    assert main(["deblur", *words, "--overwrite", "--window", "3", "--scene-cuts", "off"]) == 0
    assert torch.equal(read_clip(tmp_path / "out"), found)


def test_a_photograph_in_tiles_and_in_bfloat16(tmp_path, nafnet):
    """Tiles lie on the grid of the network, which only sees less of the frame in its channel attention."""
    pixels = torch.nn.functional.interpolate(torch.rand(1, 3, 20, 30), (144, 210), mode="bicubic").clamp(0, 1)[0]
    write_image(tmp_path / "photo.png", pixels)
    words = ["deblur", str(tmp_path / "photo.png"), "--model", str(tmp_path / "nafnet.pth")]
    found = {}
    for name, options in {"whole": ["--tile", "off"], "tiles": ["--tile", "144"], "half": ["--half"]}.items():
        assert main([*words, str(tmp_path / f"{name}.png"), *options]) == 0
        found[name] = read_image(tmp_path / f"{name}.png").pixels
    assert (found["tiles"] - found["whole"]).abs().max() < 2.1 / 255
    assert 0 < (found["half"] - found["whole"]).abs().mean() < 0.01


def test_a_stopped_job_goes_on_with_the_same_weights_only(tmp_path, nafnet):
    from spandrel.architectures.NAFNet import NAFNet

    weights(NAFNet(width=4, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1], middle_blk_num=2), tmp_path / "other.pth")
    write_clip(tmp_path / "clip.mkv", torch.rand(6, 3, 16, 16))
    restorer = VideoRestorer(load_image_restorer(tmp_path / "nafnet.pth"))
    stop = {"segment_frames": 2, "scene_cuts": "off"}
    calls = []

    def cut(progress):
        calls.append(progress)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restorer.restore_clip(tmp_path / "clip.mkv", tmp_path / "out", progress=cut, **stop)
    other = VideoRestorer(load_image_restorer(tmp_path / "other.pth"))
    with pytest.raises(ValueError, match=r"unfinished job with other settings \(network .*'weights': "):
        other.restore_clip(tmp_path / "clip.mkv", tmp_path / "out", **stop)
    assert restorer.restore_clip(tmp_path / "clip.mkv", tmp_path / "out", **stop) == 6
    restorer.restore_clip(tmp_path / "clip.mkv", tmp_path / "whole", **stop)
    assert torch.equal(read_clip(tmp_path / "out"), read_clip(tmp_path / "whole"))


def test_networks_say_what_sizes_and_numbers_they_take(tmp_path, nafnet):
    """Gray networks see one color at a time; least and square sizes are filled up; half only where it is safe."""
    model = load_image_restorer(tmp_path / "nafnet.pth")
    assert (model.size_multiple, model.supports_half, model.task) == (16, True, "restoration")
    assert not any(parameter.requires_grad for parameter in model.parameters())

    class Gray(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(0.5))

        def forward(self, image):
            assert image.shape == (1, 1, 96, 96)
            return image * self.scale

    network = Gray()
    descriptor = spandrel.ImageModelDescriptor(
        network,
        network.state_dict(),
        model._descriptor.architecture,
        "Restoration",
        [],
        supports_half=False,
        supports_bfloat16=False,
        scale=1,
        input_channels=1,
        output_channels=1,
        size_requirements=spandrel.SizeRequirements(minimum=96, multiple_of=24, square=True),
    )
    gray = ImageRestorer(descriptor)
    frames = torch.rand(2, 3, 19, 30)
    with pytest.warns(UserWarning, match="not safe in bfloat16"):
        restorer = VideoRestorer(gray, half=True)
    assert gray.size_multiple == 48
    assert torch.equal(restorer.restore(frames), frames * 0.5)


def test_what_is_no_such_network_is_named(tmp_path, nafnet, capsys):
    from spandrel.architectures.ESRGAN import ESRGAN

    weights(ESRGAN(num_filters=4, num_blocks=1, scale=4), tmp_path / "esrgan.pth")
    torch.save({"a": torch.zeros(3)}, tmp_path / "unknown.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    state = nafnet.state_dict()
    torch.save({**state, "intro.weight": torch.zeros(9, 3, 3, 3)}, tmp_path / "broken.pth")
    torch.save(nafnet, tmp_path / "pickled.pth")
    write_image(tmp_path / "photo.png", torch.rand(3, 16, 16))
    cases = {
        ("esrgan.pth",): "esrgan.pth holds ESRGAN for super-resolution, which makes images 4 times as large",
        ("unknown.pth",): "unknown.pth is of no network that spandrel knows, and may hold weights",
        ("list.pth",): "list.pth holds a list, not weights by name",
        ("broken.pth",): "broken.pth cannot be loaded by spandrel: Error(s) in loading state_dict for NAFNet",
        ("pickled.pth",): "pickled.pth is refused: it needs spandrel.architectures.NAFNet",
        ("nafnet.pth", "--set", "width=4"): "--set goes with the name of a model or a model folder",
        ("nafnet.pth", "--checkpoint", "x.pth"): "--checkpoint goes with a model name",
    }
    for (name, *more), sentence in cases.items():
        words = [str(tmp_path / "photo.png"), str(tmp_path / "out.png"), "--model", str(tmp_path / name), *more]
        assert main(["deblur", *words]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        load_image_restorer(tmp_path / "nothing.pth")
