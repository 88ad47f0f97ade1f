"""`subband predict`: real files in, real files out, and one sentence for every kind of bad input."""

from pathlib import Path

import av
import pytest
import torch

from subband import create_model, export_published, save_model
from subband.cli.main import main
from subband.media import writers
from subband.media.video import probe, read_clip, write_clip


@pytest.fixture
def model(tmp_path: Path) -> str:
    save_model(create_model("persistence", in_shape=(4, 1, 16, 16)), tmp_path / "still")
    return str(tmp_path / "still")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames in a folder, frame t of brightness t / 12."""
    brightness = torch.arange(12).view(12, 1, 1, 1) / 12
    write_clip(tmp_path / "clip", brightness.expand(12, 3, 20, 30))
    return tmp_path / "clip"


def predict(clip: Path | str, model: str, out: Path, *words: str) -> int:
    return main(["predict", str(clip), "--model", model, "--out", str(out), "--device", "cpu", *words])


def test_the_last_frames_count(clip: Path, model: str, tmp_path: Path, capsys) -> None:
    assert predict(clip, model, tmp_path / "out", "--num-frames", "6") == 0
    future = read_clip(tmp_path / "out")
    assert future.shape == (6, 3, 20, 30)
    torch.testing.assert_close(future, torch.full_like(future, 11 / 12), atol=0.003, rtol=0)
    out = capsys.readouterr().out
    assert "frames 8 to 11 of 12, 20 x 30 pixels" in out
    assert "6 frames in 2 passes, each fed the one before" in out


def test_start_stride_and_size(clip: Path, model: str, tmp_path: Path, capsys) -> None:
    words = ("--start", "1", "--stride", "2", "--max-side", "15", "--num-frames", "2")
    assert predict(clip, model, tmp_path / "out", *words) == 0
    future = read_clip(tmp_path / "out")
    assert future.shape == (2, 3, 10, 15)
    torch.testing.assert_close(future, torch.full_like(future, 7 / 12), atol=0.003, rtol=0)
    assert "frames 1 to 7 of 12" in capsys.readouterr().out


def test_a_file_is_opened_once(clip: Path, model: str, tmp_path: Path, monkeypatch) -> None:
    write_clip(tmp_path / "clip.mp4", read_clip(clip))
    opened = []
    open_file = av.open
    monkeypatch.setattr(
        av, "open", lambda file, *args, **options: opened.append(file) or open_file(file, *args, **options)
    )
    assert predict(tmp_path / "clip.mp4", model, tmp_path / "out", "--num-frames", "3") == 0
    assert opened == [f"file:{tmp_path / 'clip.mp4'}"]


def test_what_is_too_long_for_an_animation_is_refused_before_it_is_predicted(
    clip: Path, model: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(writers, "MAX_ANIMATION_VALUES", 7 * 3 * 20 * 30)
    assert predict(clip, model, tmp_path / "x.gif", "--num-frames", "8") == 2
    assert predict(clip, model, tmp_path / "x.png", "--num-frames", "3", "--compare") == 2
    shown = capsys.readouterr()
    assert "x.gif would hold more than" in shown.err
    assert "x.png would hold more than" in shown.err
    assert not shown.out
    assert predict(clip, model, tmp_path / "x.gif", "--num-frames", "7") == 0


@pytest.mark.parametrize("name", ["future.mp4", "future.gif"])
def test_video_in_video_out(clip: Path, tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / "clip.mp4", read_clip(clip), fps=20)
    network = create_model("simvp_gsta", in_shape=(4, 1, 16, 16), hid_S=8, hid_T=16, N_S=2, N_T=2)
    save_model(network, tmp_path / "simvp")
    assert (
        predict(tmp_path / "clip.mp4", str(tmp_path / "simvp"), tmp_path / name, "--num-frames", "3", "--stride", "2")
        == 0
    )
    info = probe(tmp_path / name)
    assert (info.num_frames, info.height, info.width) == (3, 20, 30)
    assert info.fps == pytest.approx(10)  # half the rate of the clip, since every second frame was taken


def test_compare_prints_errors_and_writes_three_images(clip: Path, model: str, tmp_path: Path, capsys) -> None:
    assert predict(clip, model, tmp_path / "out", "--compare", "--num-frames", "3") == 0
    out = capsys.readouterr().out
    assert "frames 5 to 11 of 12" in out
    rows = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    rows = [row for row in rows if len(row) == 7]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    error = (2 / 12) ** 2 * 3 * 20 * 30  # second frame: two steps of brightness away, summed over the frame
    assert float(rows[1][1]) == pytest.approx(error, rel=0.03)
    assert rows[1][1] == rows[1][2]  # the model is persistence itself
    images = read_clip(tmp_path / "out")
    assert images.shape == (3, 3, 20, 90)
    torch.testing.assert_close(images[1, :, :, :30], torch.full((3, 20, 30), 10 / 12), atol=0.003, rtol=0)
    torch.testing.assert_close(images[1, :, :, 30:60], torch.full((3, 20, 30), 8 / 12), atol=0.003, rtol=0)
    assert images[0, :, 10, 75].sum() < images[2, :, 10, 75].sum()  # the error grows


def test_compare_of_tiny_frames_leaves_ssim_out(model: str, tmp_path: Path, capsys) -> None:
    write_clip(tmp_path / "tiny", torch.rand(6, 1, 5, 5))
    assert predict(tmp_path / "tiny", model, tmp_path / "out", "--compare", "--num-frames", "2") == 0
    out = capsys.readouterr().out
    assert "PSNR dB still" in out
    assert "SSIM" not in out


def refused(capsys, clip: Path | str, model: str, out: Path, *words: str) -> str:
    """The one sentence of a refused call."""
    assert predict(clip, model, out, *words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("subband: error: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty (0 bytes)"), (b"no video\n" * 50, "cannot be read as a video"), (None, "does not exist")],
)
def test_files_that_are_no_video(model: str, tmp_path: Path, capsys, content: bytes | None, message: str) -> None:
    path = tmp_path / "holiday.mp4"
    if content is not None:
        path.write_bytes(content)
    error = refused(capsys, path, model, tmp_path / "out")
    assert message in error
    assert "holiday.mp4" in error


def test_truncated_video(clip: Path, model: str, tmp_path: Path, capsys) -> None:
    write_clip(tmp_path / "whole.mp4", torch.rand(12, 3, 32, 32))
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:-2000])
    assert "cut.mp4 cannot be read as a video" in refused(capsys, tmp_path / "cut.mp4", model, tmp_path / "out")


def test_too_few_frames(model: str, tmp_path: Path, capsys) -> None:
    write_clip(tmp_path / "short.gif", torch.rand(3, 3, 8, 8))
    error = refused(capsys, tmp_path / "short.gif", model, tmp_path / "out")
    assert "short.gif has 3 frames, but" in error
    assert "needs 4: 4 to look at" in error
    error = refused(
        capsys, tmp_path / "short.gif", model, tmp_path / "out", "--compare", "--stride", "2", "--start", "1"
    )
    assert "has 2 frames from frame 1 on" in error
    assert "needs 27 with --stride 2: 4 to look at and 10 to compare with" in error


def test_outputs_that_cannot_be_written(clip: Path, model: str, tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "taken.mp4").write_bytes(b"mine")
    assert "taken.mp4 exists already" in refused(capsys, clip, model, tmp_path / "taken.mp4")
    assert (tmp_path / "taken.mp4").read_bytes() == b"mine"
    assert "no known suffix" in refused(capsys, clip, model, tmp_path / "future.xyz")
    assert "other files than numbered frames" in refused(capsys, clip, model, tmp_path, "--overwrite")
    (tmp_path / "file").touch()
    assert "cannot be made" in refused(capsys, clip, model, tmp_path / "file" / "future.mp4")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere, so it is asked for here
    assert "no permission" in refused(capsys, clip, model, tmp_path / "future.mp4")


def test_overwrite(clip: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "taken.mp4").write_bytes(b"old")
    assert predict(clip, model, tmp_path / "taken.mp4", "--overwrite", "--num-frames", "2") == 0
    assert probe(tmp_path / "taken.mp4").num_frames == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num-frames", "0"), "--num-frames must be at least 1"),
        (("--stride", "-1"), "--stride must be at least 1"),
        (("--max-side", "0"), "--max-side must be at least 1"),
        (("--start", "-3"), "--start must not be negative"),
        (("--stride", "many"), "stride"),
        (("--device", "abacus"), "device must be one of"),
        (("--nm-frames", "3"), "did you mean --num-frames?"),
    ],
)
def test_impossible_options(
    clip: Path, model: str, tmp_path: Path, capsys, words: tuple[str, ...], message: str
) -> None:
    assert message in refused(capsys, clip, model, tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_unknown_model(clip: Path, tmp_path: Path, capsys) -> None:
    assert "no model at" in refused(capsys, clip, str(tmp_path / "nowhere"), tmp_path / "out")


def test_published_files_and_names(clip: Path, tmp_path: Path, capsys) -> None:
    sizes = {"in_shape": (4, 1, 16, 16), "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
    words = [
        word for key, value in sizes.items() for word in ("--set", f"{key}={list(value) if key[:2] == 'in' else value}")
    ]
    torch.manual_seed(0)
    network = create_model("tau", **sizes)
    torch.save(export_published(network), tmp_path / "tau.pth")
    save_model(network, tmp_path / "model")
    with_file = [*words, "--checkpoint", str(tmp_path / "tau.pth"), "--num-frames", "2"]
    assert predict(clip, "tau", tmp_path / "a", *with_file) == 0
    assert predict(clip, str(tmp_path / "model"), tmp_path / "b", "--num-frames", "2") == 0
    assert torch.equal(read_clip(tmp_path / "a"), read_clip(tmp_path / "b"))
    for model, options, message in (
        ("tau_mmnist", (), "tau_mmnist alone has fresh weights, which know nothing; add --checkpoint FILE"),
        ("tau", ("--checkpoint", str(tmp_path / "none.pth")), "none.pth"),
        ("tau_mnist", ("--checkpoint", "published"), "did you mean tau_mmnist"),
        (
            "gfnet_ti",
            ("--checkpoint", "published"),
            "gfnet_ti is for classification, not a network for video prediction",
        ),
        (
            "wast_photos",
            ("--checkpoint", str(tmp_path / "tau.pth")),
            "--checkpoint goes with a model name such as tau_mm",
        ),
    ):
        assert message in refused(capsys, clip, model, tmp_path / "c", *options)
