"""Before and after side by side, and the page with the sliders."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from subband.media import ColorTags, VideoReader, open_clip, probe, read_clip, write_clip
from subband.media.images import write_image
from subband.media.video import to_pixels
from subband.media.video_writer import VideoWriter
from subband.metrics.image import psnr, ssim
from subband.predictors.streaming import Span, stream_clip
from subband.visual.comparison import Moment, check_reference, compare_clips
from subband.visual.comparison_page import comparison_page

Look = Callable[..., tuple[dict[str, Any], list[str]]]


def clip(num_frames: int = 8, height: int = 32, width: int = 48, seed: int = 0) -> Tensor:
    return (
        torch.rand(num_frames, 3, height, width, generator=torch.Generator().manual_seed(seed)).mul(255).round() / 255
    )


def write_three(folder: Path) -> tuple[Path, Path, Path]:
    """Frames, and two versions of them with noise."""
    for name, share in (("before", 0.4), ("after", 0.1), ("true", 0.0)):
        write_clip(folder / name, (1 - share) * clip() + share * clip(seed=1))
    return folder / "before", folder / "after", folder / "true"


def test_scores_are_means_over_frames(tmp_path: Path) -> None:
    before, after, true = write_three(tmp_path)
    found = compare_clips(before, after, reference=true, num_moments=4)
    assert found.num_frames == 8
    assert [moment.number for moment in found.moments] == [1, 3, 5, 7]
    for scores, path in zip(found.scores, (before, after), strict=True):
        pair = read_clip(path), read_clip(true)
        assert scores.psnr == pytest.approx(psnr(*pair).mean().item(), abs=1e-4)
        assert scores.ssim == pytest.approx(ssim(*pair).mean().item(), abs=1e-5)
    moment = found.moments[1]
    assert moment.scores[1].psnr == pytest.approx(psnr(read_clip(after)[3], read_clip(true)[3]).item(), abs=1e-4)
    np.testing.assert_array_equal(moment.before, to_pixels(read_clip(before)[3:4])[0])
    assert compare_clips(before, after).scores is None


def test_the_video_shows_all_side_by_side_with_times_and_colors(tmp_path: Path) -> None:
    tags, milliseconds = ColorTags(1, 1, 1, 1), [0, 40, 140, 200]
    for name, value in (("before.mp4", 60), ("after.mp4", 120), ("true.mp4", 180)):
        with VideoWriter(
            tmp_path / name, time_base=Fraction(1, 1000), colors=tags, pixel_aspect=Fraction(4, 3)
        ) as writer:
            for time in milliseconds:
                writer.write(np.full((64, 96, 3), value, np.uint8), Fraction(time, 1000))
    names = [tmp_path / name for name in ("before.mp4", "after.mp4")]
    found = compare_clips(*names, tmp_path / "all.mp4", reference=tmp_path / "true.mp4")
    assert found.pixel_aspect == Fraction(4, 3)
    with VideoReader(tmp_path / "all.mp4") as reader:
        assert (reader.height, reader.width) == (64, 3 * 96 + 2 * 2)
        assert (reader.details.colors, reader.details.pixel_aspect) == (tags, Fraction(4, 3))
        frames = list(reader)
    assert [1000 * frame.time for frame in frames] == milliseconds
    for panel, value in enumerate((60, 120, 180)):
        part = frames[1].pixels[:, panel * 98 : panel * 98 + 96].astype(int)
        assert np.abs(part[24:, 4:-4] - value).max() <= 8
        assert part[:20].max() > 220  # the label
    with pytest.raises(FileExistsError, match=r"all\.mp4 exists already"):
        compare_clips(*names, tmp_path / "all.mp4")


def test_a_larger_result_and_odd_sides(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", clip(4, 15, 21))
    with pytest.warns(UserWarning, match="needs even sides"):
        stream_clip(tmp_path / "clip", tmp_path / "out.mp4", lambda frames: frames, options={"crf": "0"})
    assert (probe(tmp_path / "out.mp4").height, probe(tmp_path / "out.mp4").width) == (16, 22)
    found = compare_clips(tmp_path / "clip", tmp_path / "out.mp4", tmp_path / "all.gif", reference=tmp_path / "clip")
    assert found.moments[0].after.shape == (15, 21, 3)
    assert found.scores[0].psnr == float("inf")
    assert probe(tmp_path / "all.gif").width == 3 * 21 + 2 * 2
    stream_clip(tmp_path / "clip", tmp_path / "large", lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert compare_clips(tmp_path / "clip", tmp_path / "large").moments[0].before.shape == (30, 42, 3)
    with pytest.raises(
        ValueError, match=r"clip has frames of 21 x 15 pixels, but .*large of 42 x 30; a reference must"
    ):
        compare_clips(tmp_path / "clip", tmp_path / "large", reference=tmp_path / "clip")


def test_a_smaller_result(tmp_path: Path) -> None:
    ramp = torch.linspace(0, 1, 64).expand(2, 3, 48, 64)
    write_clip(tmp_path / "clip", ramp)
    stream_clip(tmp_path / "clip", tmp_path / "out", lambda frames: frames, size=32)
    found = compare_clips(tmp_path / "clip", tmp_path / "out", reference=tmp_path / "out")
    assert found.moments[0].before.shape == (24, 32, 3)
    assert found.scores[0].psnr > 40


def test_a_part_of_a_clip_and_clips_of_other_lengths(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", clip(12))
    stream_clip(tmp_path / "clip", tmp_path / "out", lambda frames: frames, start=0.4, duration=0.5)
    found = compare_clips(tmp_path / "clip", tmp_path / "out", reference=tmp_path / "clip", span=Span.of(0.4, 0.5))
    assert found.num_frames == 5
    assert found.scores[1].psnr == float("inf")
    with pytest.warns(UserWarning, match="out ends after 5 frames; only those are compared"):
        compare_clips(tmp_path / "clip", tmp_path / "out")


def test_a_reference_whose_frames_are_others_is_refused(tmp_path: Path) -> None:
    for name, numbers in (("clip", (0, 1, 3)), ("true", (0, 2, 3)), ("later", (7, 8, 10))):
        (tmp_path / name).mkdir()
        for number in numbers:
            write_image(tmp_path / name / f"{number}.png", torch.rand(3, 8, 8))
    with pytest.raises(ValueError, match=r"true/2.png is the frame that .*clip/1.png would be compared with"):
        check_reference(tmp_path / "clip", tmp_path / "true")
    check_reference(tmp_path / "clip", tmp_path / "later")


def test_wide_panels_are_made_smaller(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_clip(tmp_path / name, clip(1, 8, 3000))
    compare_clips(tmp_path / "a", tmp_path / "b", tmp_path / "all")
    assert probe(tmp_path / "all").width == 4096


def page_of(folder: Path, **options: Any) -> str:
    before, after, true = write_three(folder)
    found = compare_clips(before, after, reference=true, num_moments=3)
    return comparison_page(found, "street <1>.mp4", settings=[("Network", "a & b")], **options)


def test_what_the_page_says(tmp_path: Path) -> None:
    html = page_of(tmp_path, video="50% all.mp4")
    text = re.sub(r"<[^>]*>", "", html)
    assert "street &lt;1&gt;.mp4" in html
    assert "a &amp; b" in html
    assert 'href="50%25%20all.mp4"' in html
    assert re.search(r"PSNR against the reference: \d\d\.\d\d dB before, \d\d\.\d\d dB after, \+\d+\.\d\d dB\.", text)
    assert text.count("mean of all frames") == 1
    assert html.count('type="range"') == 6  # before and after, after and reference
    assert html.count("data:image/png;base64,") == 12
    assert "://" not in html
    assert html.count("<script>") == 1
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]+='\"", html)


def test_a_page_without_a_reference(tmp_path: Path) -> None:
    before, after, _ = write_three(tmp_path)
    html = comparison_page(compare_clips(before, after, num_moments=2), "x", labels=("blurred", "sharp"))
    assert html.count('type="range"') == 2
    assert "There is no reference" in html
    assert "PSNR" not in html
    assert "blurred is on the left of it, sharp on the right" in html


def test_large_stills_are_compressed() -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    from subband.visual.comparison import ClipComparison

    moment = Moment(0, Fraction(5, 2), picture, picture, None, None)
    html = comparison_page(ClipComparison(1, [moment], None), "x")
    assert html.count("data:image/jpeg;base64,") == 2
    assert "0:02.50, frame 0" in html


SLIDE = """
const slider = page.querySelector(".wipe input"), over = page.querySelector(".wipe .over");
const at = () => getComputedStyle(over).clipPath;
const before = at();
slider.value = 25;
slider.dispatchEvent(new frame.contentWindow.Event("input"));
slider.focus();
const box = slider.getBoundingClientRect(), image = over.getBoundingClientRect();
return [before, at(), slider.getAttribute("aria-valuetext"), page.activeElement === slider,
  Math.abs(box.width - image.width) + Math.abs(box.height - image.height) < 4,
  Math.round(100 * image.width / image.height)];
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_slider_in_a_browser(look: Look, tmp_path: Path, width: int) -> None:
    page = tmp_path / "page.html"
    page.write_text(page_of(tmp_path, video="all.mp4"), encoding="utf-8")
    answer, console = look(page, width, SLIDE)
    assert answer["note"] == ["inset(0px 50% 0px 0px)", "inset(0px 75% 0px 0px)", "25 % before", True, True, 150]
    assert answer["width"] <= width
    assert answer["wide"] == answer["broken"] == answer["requests"] == console == []
    assert answer["images"] == 12


def test_tiny_frames_have_no_ssim(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_clip(tmp_path / name, clip(2, 4, 4))
    found = compare_clips(tmp_path / "a", tmp_path / "b", reference=tmp_path / "b")
    assert found.scores[1].ssim is None
    assert "SSIM:" not in comparison_page(found, "x")
    with open_clip(tmp_path / "a") as reader:
        assert reader.count == 2
