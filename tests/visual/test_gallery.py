"""The gallery: cards of what commands made, on one page that holds everything."""

import re

import pytest
from PIL import Image

from subband.visual.gallery import Card, Picture, gallery_page


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (8, 6), "red").save(tmp_path / "red.png")
    return Picture(tmp_path / "red.png", ("blurred", "sharp"), "a red field")


def card(*pictures, **changed):
    settings = {"title": "Deblur", "text": "A clip.", "measure": "PSNR", "value": "32.6 dB", "baseline": "31.5 dB"}
    settings |= {"seconds": 2.54, "commands": ("subband deblur a.mp4 b.mp4 --overwrite",)} | changed
    return Card(pictures=pictures, **settings)


def page(*cards, **changed):
    return gallery_page(cards, **{"title": "Gallery", "lead": "What it does.", **changed})


def test_card_shows_picture_heads_number_baseline_seconds_and_command(picture):
    html = page(card(picture), summary=[("Cards", "1")])
    for text in ("<h2>Deblur</h2>", "blurred", "sharp", "a red field", "32.6 dB", "31.5 dB", "2.5 s", "<dt>Cards"):
        assert text in html
    text = re.sub("<[^>]+>", "", html)
    assert "subband deblur a.mp4 b.mp4 --overwrite" in text


def test_page_holds_everything_and_runs_no_script(picture):
    html = page(card(picture, link=("report.html", "the report")))
    addresses = re.findall(r'(?:src|srcset|href)="([^"]*)"', html)
    assert [address for address in addresses if not address.startswith("data:")] == ["report.html"]
    assert "<script" not in html
    assert "http" not in re.sub(r'data:[^"]*|http-equiv', "", html)


def test_texts_are_escaped(picture):
    words = "<b>&'\""
    texts = dict.fromkeys(("title", "text", "measure", "value", "baseline"), words)
    named = picture._replace(heads=(words,), description=words)
    html = page(card(named, **texts, commands=(words,), link=(words, words)), title=words, lead=words, footer=words)
    assert words not in html
    assert html.count("&lt;b&gt;") >= 12


def test_who_wants_less_motion_sees_the_still(picture, tmp_path):
    moving = tmp_path / "moving.webp"
    Image.new("RGB", (8, 6)).save(moving)
    html = page(card(picture._replace(file=moving, still=picture.file)))
    assert re.search(r'prefers-reduced-motion: reduce\)" srcset="data:image/png', html)
    assert 'src="data:image/webp' in html
    assert "reduced-motion" not in page(card(picture))


def test_missing_picture_is_named_with_its_card(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the card 'Deblur' shows .*gone\.png, which does not exist"):
        page(card(Picture(tmp_path / "gone.png", (), "nothing")))


def test_picture_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"clip\.mp4 of the card 'Deblur' must end in one of \.apng, "):
        page(card(Picture(tmp_path / "clip.mp4", (), "a clip")))


def test_page_without_cards_is_refused():
    with pytest.raises(ValueError, match="at least one card"):
        page()
