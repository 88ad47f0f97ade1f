"""The page that lays models side by side is what its script writes, and leaves out no bundled weights."""

from pathlib import Path

import pytest

from subband.models.model_folder import bundled_models

SCRIPTS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """Makes the modules beside the scripts importable for the time of a test."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


def test_the_page_is_what_the_script_writes():
    import which_model

    assert which_model.PAGE.read_text(encoding="utf-8") == which_model.page()


def test_all_bundled_weights_are_in_it():
    import which_model

    assert {row.name for task in which_model.TASKS for row in task.rows if row.bundled} >= set(bundled_models())


def test_a_figure_has_its_unit_its_digits_and_its_spread():
    from which_model import shown
    from which_model_rows import Figure

    address = "detection_small :: wsfvit_p0_fasterrcnn_s :: AP50 %"
    assert shown(None) == "-"
    assert shown(Figure(address, "%", has_spread=True)) == "75.3 ± 2.6\N{NO-BREAK SPACE}%"
    assert shown(Figure("detection :: 896x1120 & ours :: ms", "s", 1, "0.001")) == "8.4\N{NO-BREAK SPACE}s"
    with pytest.raises(ValueError, match="'detection :: 896x1120 & ours :: ms' has no spread"):
        shown(Figure("detection :: 896x1120 & ours :: ms", has_spread=True))
    with pytest.raises(ValueError, match="no column 'AP 50'"):
        shown(Figure(address.replace("AP50 %", "AP 50")))
