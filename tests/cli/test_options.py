"""Values of `--set`, devices, output files, tables."""

import os

import pytest

from subband.cli.options import open_table, parse_overrides, refuse_existing, show_table


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=3", 3),
        ("a=3e-4", 3e-4),
        ("a=1.5", 1.5),
        ("a=true", True),
        ("a=null", None),
        ("a=haar", "haar"),
        ("a=", None),
        ("a=x=y", "x=y"),
        ("a=[10, 1, 64, 64]", [10, 1, 64, 64]),
        ("a=(2, 8, 2)", (2, 8, 2)),
        ("a=(2,)", (2,)),
        ("a=()", ()),
        ("a=[1e-3, (b)]", [1e-3, "(b)"]),
        ("a='3'", "3"),
        (" a = 3", 3),
    ],
)
def test_values_are_typed_by_yaml(text, value):
    parsed = parse_overrides([text])
    assert parsed == {"a": value}
    assert type(parsed["a"]) is type(value)


@pytest.mark.parametrize("texts", [["a"], ["=3"], ["a.b=3"], ["--a=3"], ["a=1", "a=2"], ["a=[1"], ["a={x"]])
def test_other_texts_are_refused(texts):
    with pytest.raises(ValueError, match="--set"):
        parse_overrides(texts)


def test_values_are_never_code():
    with pytest.raises(ValueError, match="YAML"):
        parse_overrides(["a=!!python/object/apply:os.system ['true']"])


def test_output_paths(tmp_path):
    assert refuse_existing(tmp_path / "new" / "file.txt") == tmp_path / "new" / "file.txt"
    assert (tmp_path / "new").is_dir()
    (tmp_path / "empty").mkdir()
    assert refuse_existing(tmp_path / "empty")
    file = tmp_path / "file.txt"
    file.write_text("mine")
    with pytest.raises(FileExistsError, match="--overwrite"):
        refuse_existing(file)
    with pytest.raises(FileExistsError, match="--overwrite"):
        refuse_existing(tmp_path)
    assert refuse_existing(file, overwrite=True) == file
    assert file.read_text() == "mine"
    with pytest.raises(OSError, match="cannot be made"):
        refuse_existing(file / "below" / "out.txt")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_folders_without_permission_are_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="permission"):
        refuse_existing(tmp_path / "file.txt")
    tmp_path.chmod(0o700)


def test_tables_are_not_broken_in_a_pipe(capsys):
    table = open_table(("name", "count"), title="models [all]", right=("count",))
    table.add_row("x" * 150, "1,000")
    table.add_row("[bold]y", "20")
    show_table(table)
    lines = capsys.readouterr().out.splitlines()
    assert "models [all]" in lines[0]
    assert any("x" * 150 + "   1,000" in line for line in lines)
    assert any("[bold]y" in line and line.rstrip().endswith("   20") for line in lines)
