"""Networks with neighbors, recurrences, priors and tiles, on windows of a clip; plain functions stand for them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.media import read_clip, write_clip
from subband.predictors.streaming import ClipNetwork, NetworkRunner, View, frame_noise, runner, stream_clip
from subband.predictors.streaming.memory import is_out_of_memory, peak_bytes
from subband.predictors.streaming.tiling import Tile, blend_tiles, plan_tiles


def clip(num_frames: int = 9, height: int = 12, width: int = 20, seed: int = 0) -> Tensor:
    return torch.rand(num_frames, 3, height, width, generator=torch.Generator().manual_seed(seed))


def weighted(x: Tensor, view: View) -> Tensor:
    """Sees two frames before and one after."""
    return 0.1 * x[:-3] + 0.2 * x[1:-2] + 0.4 * x[2:-1] + 0.3 * x[3:]


def recurrent(x: Tensor, view: View) -> Tensor:
    """Running means in both directions, which forget half with every frame."""
    sums = torch.zeros_like(x)
    for order in (range(len(x)), reversed(range(len(x)))):
        state = torch.zeros_like(x[0])
        for index in order:
            state = 0.5 * state + 0.5 * x[index]
            sums[index] += 0.5 * state
    return sums


def blurred(x: Tensor, view: View) -> Tensor:
    """A box of 9 x 9 pixels, as far as there are any."""
    ones = torch.ones_like(x[:1, :1])
    return F.avg_pool2d(x, 9, 1, 4) / F.avg_pool2d(ones, 9, 1, 4)


NEIGHBORS = {"past_frames": 2, "future_frames": 1, "bytes_per_pixel": 1.0}


@pytest.mark.parametrize("num_frames", [1, 2, 5, 9, 16])
@pytest.mark.parametrize("window", [4, 5, 7, 30])
@pytest.mark.parametrize("end_mode", ["replicate", "reflect"])
def test_windows_do_not_show_and_ends_are_continued(num_frames: int, window: int, end_mode: Any) -> None:
    frames = clip(num_frames)
    network = ClipNetwork(restore=weighted, window=window, end_mode=end_mode, **NEIGHBORS)
    places = network.places(num_frames, starts_scene=True, ends_scene=True)
    torch.testing.assert_close(NetworkRunner(network).run(frames), weighted(frames[places], View(())))
    if num_frames > 2:
        assert places[:3] == ([0, 0, 0] if end_mode == "replicate" else [2, 1, 0])
        assert places[-2:] == [num_frames - 1, num_frames - 1 if end_mode == "replicate" else num_frames - 2]


def test_frames_are_numbered_as_in_the_clip() -> None:
    seen = []

    def restore(x: Tensor, view: View) -> Tensor:
        seen.append(view.numbers)
        return x[2:-1]

    NetworkRunner(ClipNetwork(restore=restore, window=6, **NEIGHBORS)).run(clip(8))
    assert seen == [(0, 0, 0, 1, 2, 3, 4, 5), (2, 3, 4, 5, 6, 7, 7)]


def test_a_shorter_clip_than_the_network_takes() -> None:
    lengths = []

    def restore(x: Tensor, view: View) -> Tensor:
        lengths.append(len(x))
        return x[1:]

    network = ClipNetwork(restore=restore, past_frames=1, min_frames=6, window=8, bytes_per_pixel=1)
    for num_frames in (1, 3, 20):
        torch.testing.assert_close(NetworkRunner(network).run(clip(num_frames)), clip(num_frames))
    assert lengths == [6, 6, 9, 8, 8]


def test_a_recurrence_settles_in_the_overlap() -> None:
    frames, whole = clip(40), recurrent(clip(40), View(()))
    errors = [
        (NetworkRunner(ClipNetwork(restore=recurrent, window=24, settle=settle, bytes_per_pixel=1)).run(frames) - whole)
        .abs()
        .max()
        .item()
        for settle in (0, 4, 10)
    ]
    assert errors[0] > 0.1
    assert errors[1] < errors[0] / 10
    assert errors[2] < 1e-3


def test_noise_belongs_to_a_frame() -> None:
    def restore(x: Tensor, view: View) -> Tensor:
        return x + frame_noise(view.numbers, (3, 1, 1), seed=7)

    results = [
        NetworkRunner(ClipNetwork(restore=restore, window=window, settle=settle, bytes_per_pixel=1)).run(clip(20))
        for window, settle in ((20, 0), (6, 2), (5, 1))
    ]
    assert all(torch.equal(result, results[0]) for result in results)
    noise = frame_noise(range(2000), (4,), seed=0)
    assert abs(noise.mean().item()) < 0.05
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    assert not torch.equal(noise, frame_noise(range(2000), (4,), seed=1))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (3, 5), (16, 16), (17, 31)])
def test_any_size_is_continued_and_cropped(height: int, width: int) -> None:
    shapes = []

    def enlarge(x: Tensor, view: View) -> Tensor:
        shapes.append(tuple(x.shape[-2:]))
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    network = ClipNetwork(restore=enlarge, size_multiple=8, min_side=12, scale=2, bytes_per_pixel=1)
    frames = clip(3, height, width)
    torch.testing.assert_close(NetworkRunner(network).run(frames), enlarge(frames, View(())))
    assert shapes[0] == (max(-(-height // 8) * 8, 16), max(-(-width // 8) * 8, 16))


@pytest.mark.parametrize(("height", "width", "side"), [(64, 160, 96), (200, 136, 80), (96, 96, 96), (72, 344, 75)])
def test_tiles_cover_a_frame_at_multiples(height: int, width: int, side: int) -> None:
    tiles = plan_tiles(height, width, side, overlap=17, multiple=8)
    cover = torch.zeros(height, width)
    for tile in tiles:
        assert not [value for value in tile if value % 8]
        assert max(tile.height, tile.width) <= side
        cover[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert cover.min() == 1
    for first, second in pairwise(tiles):
        assert second.left == 0 or first.left + first.width - second.left >= 24
    identity = blend_tiles(clip(1, height, width), tiles, 1, lambda part, tile: part)
    torch.testing.assert_close(identity, clip(1, height, width))


@pytest.mark.parametrize(("height", "width", "side"), [(96, 160, 64), (40, 200, 56), (64, 64, 64)])
def test_tiles_of_a_local_filter_are_the_whole_frame(height: int, width: int, side: int) -> None:
    frames = clip(2, height, width)
    network = ClipNetwork(restore=blurred, tile_overlap=16, size_multiple=8, window=2)
    whole = NetworkRunner(network, tile="off").run(frames)
    torch.testing.assert_close(NetworkRunner(network, tile=side).run(frames), whole)


def test_blending_goes_from_one_tile_to_the_next_in_a_line() -> None:
    tiles = plan_tiles(8, 112, side=64, overlap=16, multiple=8)
    assert tiles == [Tile(0, 0, 8, 64), Tile(0, 48, 8, 64)]
    blended = blend_tiles(clip(1, 8, 112), tiles, 1, lambda part, tile: torch.full_like(part, float(tile.left > 0)))
    line = blended[0, 0, 0]
    assert line[:52].eq(0).all()
    assert line[60:].eq(1).all()
    torch.testing.assert_close(line[52:60], (torch.arange(8) + 0.5) / 8)


def test_a_prior_is_of_the_whole_frame() -> None:
    places = []

    def prior(x: Tensor, view: View) -> Tensor:
        return x.mean((1, 2, 3))

    def restore(x: Tensor, view: View) -> Tensor:
        places.append((view.top, view.left))
        return x - view.prior[:, None, None, None]

    frames = clip(3, 64, 96)
    network = ClipNetwork(restore=restore, prior=prior, tile_overlap=16, size_multiple=16, window=3)
    tiled = NetworkRunner(network, tile=64).run(frames)
    assert places == [(0, 0), (0, 32)]
    torch.testing.assert_close(tiled, frames - frames.mean((1, 2, 3), keepdim=True))


def test_tiles_are_chosen_by_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = []

    def restore(x: Tensor, view: View) -> Tensor:
        sides.append(max(x.shape[-2:]))
        return 2 * x

    frames = clip(4, 160, 256)
    network = ClipNetwork(restore=restore, tile_overlap=16, size_multiple=8, window=4, bytes_per_pixel=100)
    for free, side in ((4 * 160 * 256 * 100 * 2, 256), (4 * 100 * 100 * 100 / 0.6, 96), (10, 40), (None, 256)):
        monkeypatch.setattr(runner, "free_memory", lambda device, free=free: free)
        sides.clear()
        torch.testing.assert_close(NetworkRunner(network).run(frames), 2 * frames)
        assert max(sides) == side
    used = NetworkRunner(network)
    for free, side in ((10, 40), (None, 256)):  # each clip anew
        monkeypatch.setattr(runner, "free_memory", lambda device, free=free: free)
        sides.clear()
        used.run(frames)
        assert max(sides) == side
    monkeypatch.setattr(runner, "free_memory", lambda device: 4 * 160 * 256 * 100 * 2)
    sides.clear()
    used.run(frames[:1])
    assert sides == [256]
    monkeypatch.setattr(runner, "free_memory", lambda device: 160 * 256 * 100 * 2)
    sides.clear()
    used.run(torch.cat([frames[:1], frames]), scene_cuts="off")
    assert max(sides) < 256  # the longest window counts, not the first
    unknown = ClipNetwork(restore=restore, tile_overlap=16, size_multiple=8, window=4)
    monkeypatch.setattr(runner, "free_memory", lambda device: 4 * 100 * 100 * 24 / 0.6)  # 6 float32 values a pixel
    sides.clear()
    torch.testing.assert_close(NetworkRunner(unknown).run(frames), 2 * frames)
    assert sides[0] == 64  # the corner that is measured
    assert max(sides[1:]) == 96


def limited(pixels: int) -> Any:
    """A network whose memory holds so many pixels of a frame."""

    def restore(x: Tensor, view: View) -> Tensor:
        if x.shape[-2] * x.shape[-1] > pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return 1 - x

    return restore


def test_tiles_become_smaller_when_the_memory_does_not_suffice() -> None:
    frames = clip(2, 160, 256)
    options = {"tile_overlap": 16, "size_multiple": 8, "window": 2, "bytes_per_pixel": 1}
    for tile in ("auto", 200):
        with pytest.warns(UserWarning, match=r"the memory of cpu does not suffice; tiles of .* pixels") as told:
            result = NetworkRunner(ClipNetwork(restore=limited(64 * 64), **options), tile=tile).run(frames)
        torch.testing.assert_close(result, 1 - frames)
        assert len(told) == 2
    with (
        pytest.raises(ValueError, match="even tiles of 40 pixels of 2 frames do not fit into the memory of cpu"),
        pytest.warns(UserWarning, match="does not suffice"),
    ):
        NetworkRunner(ClipNetwork(restore=limited(100), **options)).run(frames)
    with pytest.raises(ValueError, match="a window of 2 frames does not fit into the memory of cpu; allow tiles"):
        NetworkRunner(ClipNetwork(restore=limited(100), **options), tile="off").run(frames)

    def broken(x: Tensor, view: View) -> Tensor:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        NetworkRunner(ClipNetwork(restore=broken, bytes_per_pixel=1)).run(frames)
    with pytest.raises(RuntimeError, match="allocate") as huge:
        torch.empty(2**50)
    assert is_out_of_memory(huge.value)


def test_peaks_are_counted() -> None:
    assert peak_bytes(lambda: torch.zeros(1000) + 1) == 8000
    x = torch.zeros(1000)
    assert peak_bytes(lambda: [x.view(10, 100).t(), None]) == 0
    assert peak_bytes(lambda: max([x + step for step in range(3)], key=len)) == 12000
    assert peak_bytes(lambda: max([(x + step).sum() for step in range(3)])) < 4100


def test_a_job_that_goes_on_takes_the_tiles_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "clip", clip(12, 48, 96))
    calls = []

    def places(x: Tensor, view: View) -> Tensor:
        calls.append(x.shape[-1])
        if len(calls) == stop:
            raise RuntimeError("stopped")
        return 0.5 * x + x.mean((-2, -1), keepdim=True) / 4

    def job(target: str, free: int, seed: int = 0, **options: Any) -> int:
        options = {"facts": {"seed": seed}, **options}
        monkeypatch.setattr(runner, "free_memory", lambda device: free)
        network = ClipNetwork(restore=places, tile_overlap=8, window=3, size_multiple=8, bytes_per_pixel=10, **options)
        return stream_clip(tmp_path / "clip", tmp_path / target, NetworkRunner(network), segment_frames=3)

    small, stop = 3 * 40 * 40 * 10 * 2, -1
    job("whole", small)
    assert set(calls) == {40}
    calls.clear()
    stop = 8
    with pytest.raises(RuntimeError, match="stopped"):
        job("out", small)
    calls.clear()
    stop = -1
    with pytest.raises(ValueError, match=r"unfinished job with other settings .*settle 0 instead of 1"):
        job("out", small, settle=1)
    with pytest.raises(ValueError, match=r"other settings \(network \{'seed': 0\} instead of \{'seed': 1\}\)"):
        job("out", small, seed=1)
    assert job("out", 10**12) == 12
    assert set(calls) == {40}
    torch.testing.assert_close(read_clip(tmp_path / "out"), read_clip(tmp_path / "whole"), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("facts", "options", "message"),
    [
        ({"window": 0}, {}, "window must be at least 1, got 0"),
        ({"past_frames": -1}, {}, "past_frames must not be negative, got -1"),
        ({"end_mode": "zero"}, {}, "end_mode must be replicate or reflect, got 'zero'"),
        ({"window": 4, "settle": 2}, {}, "window must be above 4, .*; got 4"),
        ({}, {"tile": "of"}, "tile must be auto, off or a number of pixels, got 'of'"),
        ({}, {"tile": 0}, "tile must be auto, off or a number of pixels, got 0"),
        ({}, {"window": 0}, "window must be above 0, .*; got 0"),
    ],
)
def test_impossible_facts(facts: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkRunner(ClipNetwork(restore=blurred, **facts), **options)


def test_no_gradients_are_kept(tmp_path: Path) -> None:
    weight, seen = torch.ones(1, requires_grad=True), []

    def restore(x: Tensor, view: View) -> Tensor:
        seen.append((weight * x).requires_grad)
        return weight * x

    write_clip(tmp_path / "clip", clip(3))
    stream_clip(tmp_path / "clip", tmp_path / "out", NetworkRunner(ClipNetwork(restore=restore)))
    NetworkRunner(ClipNetwork(restore=restore)).run(clip(3))
    assert len(seen) >= 2
    assert not any(seen)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="tile must be at least 136 pixels for an overlap of 64, got 64"):
        NetworkRunner(ClipNetwork(restore=blurred, size_multiple=8), tile=64).run(clip(1, 100, 100))
    with pytest.raises(ValueError, match=r"the network must return 2 frames \(T, C, 12, 20\) .* got \(2, 3, 6, 20\)"):
        NetworkRunner(ClipNetwork(restore=lambda x, view: x[:, :, ::2], bytes_per_pixel=1)).run(clip(2))


def test_a_runner_has_its_own_windows(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", clip(3))
    with pytest.raises(TypeError, match="window and overlap are for functions"):
        stream_clip(tmp_path / "clip", tmp_path / "out", NetworkRunner(ClipNetwork(restore=blurred)), window=4)
