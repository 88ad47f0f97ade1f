"""Numbers of the pages are those of the files they come from, and the comparison finds what is wrong."""

from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "benchmarks"
DIGITS = "digits_robustness :: as they are :: top-1 %"
FEWEST, MOST = (f"digits_robustness :: {end} :: top-1 %" for end in ("min", "max"))
SIMVP = "ablation_wast :: SimVP (gSTA) :: MSE"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """Makes the modules beside the scripts importable for the time of a test."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


def faults(text):
    import page_numbers

    return [complaint for _, complaint in page_numbers.faults(text)]


@pytest.mark.parametrize("page", ["README.md", "benchmarks/README.md", "docs"])
def test_the_numbers_of_the_pages_are_those_of_their_sources(page):
    import page_numbers

    start = page_numbers.ROOT / page
    pages = [path for path in page_numbers.pages() if path.is_relative_to(start)]
    assert pages
    found = {
        str(path.relative_to(page_numbers.ROOT)): [*page_numbers.faults(path.read_text("utf-8"))] for path in pages
    }
    assert {name: complaints for name, complaints in found.items() if complaints} == {}


@pytest.mark.parametrize(
    "text",
    [
        f"It is right on 97.8 %<!--= {DIGITS} --> of them.",
        f"It is right on 98 %<!--= {DIGITS} --> of them.",
        f"**97.8<!--= {DIGITS} -->**",
        f"| 97.8<!--= {DIGITS} --> | 64 x 64 |",
        f"From 79.7<!--= {FEWEST} --> to 97.8 %<!--= {MOST} -->.",
        f"It loses 18.1 %<!--= ({DIGITS}) - ({FEWEST}) -->",
        "MSE 28.66<!--= demo :: WaST :: MSE --> of SSIM 0.563<!--= demo :: SimVP (gSTA) :: SSIM -->",
        f"SimVP alone 24.85<!--= {SIMVP} --> ± 0.14<!--= {SIMVP} ± -->",
        "after 93 s<!--= demo :: text -->",
        "on 4<!--= demo :: rows :: all --> or 16.0 dB<!--= demo :: mean(WaST or SimVP (gSTA)) :: PSNR dB -->",
        "on 19<!--= bundled_model_clips :: count :: gain --> of 20<!--= bundled_model_clips :: rows :: all -->",
        "haar 3-D forward 1.5x<!--= transforms :: haar 3-D 4x16x10x64x64 & forward :: faster than peer -->",
        "compiled 3.8<!--= transforms :: haar 3-D 4x16x10x64x64 & forward :: x clone 2 -->",
        "Right on 97.8 %<!--= (card gfnet_digits :: metadata.scores.top1) * (100) -->",
        "0.38 MB<!--= size gfnet_digits -->",
        "0.09 million parameters<!--= parameters gfnet_digits -->",
        "75.8 %<!--= published wsfvit_p0 :: top-1 % -->",
        "Pictures of 64 x 64, `--gain 1.5x`, in 10 steps, version 2.13.0, [more](page.md#gains-3-dB).",
        "Text\n\n    a command --with 5 s\n\n```\n3 dB\n```\n",
    ],
)
def test_a_number_that_its_source_gives_is_right(text):
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"97.9 %<!--= {DIGITS} -->", f"97.9 is 97.8 by '{DIGITS}'"),
        (f"-97.8 %<!--= {DIGITS} -->", f"-97.8 is 97.8 by '{DIGITS}'"),
        (f"97 %<!--= {DIGITS} -->", f"97 is 97.8 by '{DIGITS}'"),
        ("55 s<!--= demo :: text -->", "55 is none of 'demo :: text'"),
        ("1 %<!--= nothing :: a :: b -->", "there is no results/nothing.json"),
        (
            "1 %<!--= demo :: a :: MSE -->",
            "'The demo: WaST, SimVP and persistence on moving digits' has 0 rows with 'a'",
        ),
        ("1 %<!--= demo :: WaST :: b -->", "there is no column 'b' among model, parameters"),
        ("1<!--= transforms :: 8x8 DCT 8x3x512x512 :: ms -->", "'Transforms' has 2 rows"),
        ("1<!--= card wast_photos :: scores.top1 -->", "config.json of wast_photos has no 'scores.top1'"),
        ("1<!--= published wast :: FID -->", "nothing published is known as 'wast :: FID'"),
        (f"many<!--= {DIGITS} -->", "no number before the mark"),
        ("A gain of 1.05 dB.", "1.05 says no source"),
        ("**2.2x** as fast", "2.2 says no source"),
        ("It takes\n20 minutes.", "20 says no source"),
        ("20\nminutes", "20 says no source"),
        (f"from 3 to 97.8 %<!--= {DIGITS} -->", "3 says no source"),
        (f"97.8 %<!--= {DIGITS} --> and 90.5 %", "90.5 says no source"),
        ("an SSIM of 0.9", "0.9 says no source"),
        ("a share of 0.123", "0.123 says no source"),
        ("| name | SSIM |\n|---|---|\n| a | 1 |", "1 says no source"),
        ("| name | what |\n|---|---|\n| a | 0.5 |", "0.5 says no source"),
        ("<!--table demo-->\n<!--/table-->", "table of demo: not what the file gives"),
    ],
)
def test_a_number_that_is_wrong_or_says_no_source_is_found(text, complaint):
    (found,) = faults(text)
    assert found.startswith(complaint)


def test_numbers_and_tables_are_written_as_their_sources_give_them():
    import page_numbers

    text = f"90 %<!--= {DIGITS} -->, +1.00<!--= {DIGITS} -->\n<!--table demo-->\n<!--/table-->\n"
    written = page_numbers.written(text)
    assert written.startswith(f"98 %<!--= {DIGITS} -->, +97.80<!--= {DIGITS} -->\n<!--table demo-->\n| model |")
    assert faults(written) == []
    assert page_numbers.written(written) == written
