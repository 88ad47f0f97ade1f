from pathlib import Path

import pytest
import torch

from subband.cli.main import main
from subband.imaging import decode_image, encode_image
from subband.media.images import read_image, write_image


def eight_bits(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * 255).round() / 255


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (1, 33, 47), (3, 40, 25), (3, 64, 64)])
def test_round_trip(shape, tmp_path, rng):
    write_image(tmp_path / "photo.png", torch.rand(shape, generator=rng))
    assert main(["compress", str(tmp_path / "photo.png"), "--keep", "0.2"]) == 0
    folder = tmp_path / "photo_compressed"
    assert main(["decompress", str(folder / "keep_20_percent.sbw"), "--out", str(tmp_path / "again.png")]) == 0
    expected = decode_image(encode_image(read_image(tmp_path / "photo.png").pixels, 0.2))
    again = read_image(tmp_path / "again.png").pixels
    torch.testing.assert_close(again, eight_bits(expected))
    assert torch.equal(again, read_image(folder / "keep_20_percent.png").pixels)


def test_a_folder_becomes_a_folder(tmp_path, rng, capsys):
    (tmp_path / "photos").mkdir()
    for name in "ab":
        write_image(tmp_path / "photos" / f"{name}.png", torch.rand(3, 16, 16, generator=rng))
    words = [str(tmp_path / "photos"), "--keep", "0.5", "1", "--out", str(tmp_path / "small"), "--no-images"]
    assert main(["compress", *words]) == 0
    assert main(["decompress", str(tmp_path / "small")]) == 0
    out = tmp_path / "small_decompressed"
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == [f"{name}/keep_{share}_percent.png" for name in "ab" for share in (100, 50)]
    code = tmp_path / "small" / "a" / "keep_50_percent.sbw"
    expected = eight_bits(decode_image(code.read_bytes()))
    torch.testing.assert_close(read_image(out / "a" / "keep_50_percent.png").pixels, expected)
    assert f"{code.stat().st_size:,}" in capsys.readouterr().out


def test_sixteen_bits(tmp_path, rng):
    code = encode_image(torch.rand(1, 16, 16, generator=rng), 0.5)
    (tmp_path / "a.sbw").write_bytes(code)
    assert main(["decompress", str(tmp_path / "a.sbw"), "--bit-depth", "16"]) == 0
    image = read_image(tmp_path / "a_decompressed.png")
    assert image.info.bit_depth == 16
    torch.testing.assert_close(image.pixels, decode_image(code), rtol=0, atol=1 / 65535)


def test_a_bad_file_of_a_folder_is_reported_and_the_others_go_on(tmp_path, rng, capsys):
    folder = tmp_path / "codes"
    folder.mkdir()
    (folder / "good.sbw").write_bytes(encode_image(torch.rand(1, 8, 8, generator=rng), 0.5))
    (folder / "bad.sbw").write_bytes(b"nothing of ours")
    assert main(["decompress", str(folder)]) == 2
    assert [path.name for path in (tmp_path / "codes_decompressed").iterdir()] == ["good.png"]
    assert "bad.sbw" in capsys.readouterr().err


def damaged(code: bytes, kind: str) -> bytes:
    garbled = code[:60] + bytes([code[60] ^ 1]) + code[61:]
    return {"empty": b"", "foreign": b"\x89PNG" * 30, "cut": code[: len(code) // 2], "garbled": garbled}[kind]


@pytest.mark.parametrize("kind", ["empty", "foreign", "cut", "garbled"])
def test_files_that_are_no_codes_are_one_sentence(kind, tmp_path, rng, capsys):
    path: Path = tmp_path / f"{kind}.sbw"
    path.write_bytes(damaged(encode_image(torch.rand(1, 32, 32, generator=rng), 0.5), kind))
    assert main(["decompress", str(path)]) == 2
    shown = capsys.readouterr().err
    assert f"{kind}.sbw: data " in shown
    assert shown.count("\n") == 1
    assert [item.name for item in tmp_path.iterdir()] == [f"{kind}.sbw"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{folder}/none.sbw"], "none.sbw does not exist"),
        (["{folder}"], "holds no compressed images (.sbw)"),
        (["{folder}/a", "--out", "{folder}/a.xyz"], "no suffix of an image"),
        (["{folder}/a", "--bit-depth", "12"], "8 or 16"),
        (["{folder}/a", "--out", "{folder}/a"], "itself"),
    ],
)
def test_wrong_options_are_one_sentence(words, message, tmp_path, capsys):
    (tmp_path / "a").write_bytes(encode_image(torch.zeros(1, 8, 8), 0.5))
    assert main(["decompress", *(word.format(folder=tmp_path) for word in words)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_results_are_replaced_only_if_allowed(tmp_path, capsys):
    (tmp_path / "a.sbw").write_bytes(encode_image(torch.zeros(1, 8, 8), 0.5))
    words = ["decompress", str(tmp_path / "a.sbw")]
    assert main(words) == 0
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
