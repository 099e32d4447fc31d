"""What the Python API refuses: one line each, and nothing is run."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bench
from bench import store
from bench.api.folders import refuse_other_folder
from bench.errors import InputError

SUITE = {"name": "tiny", "datasets": ["random"], "models": ["mean"], "seeds": 1, "tuning": False}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "Suite: name: Field required"),
        ({"name": "a/b"}, "Suite: name: expected 1 to 60 letters, digits"),
        ({"name": "a", "sedes": 3}, "Suite: sedes: Extra inputs are not permitted"),
        ({"name": "a", "seeds": 0, "horizons": ()}, "Suite: horizons: .*; seeds: "),
    ],
)
def test_a_suite_made_by_hand_is_refused_in_one_line(content: dict[str, Any], said: str) -> None:
    with pytest.raises(bench.BenchError, match=said) as caught:
        bench.Suite(**content)
    assert "\n" not in str(caught.value)


def test_a_suite_that_is_right_is_made_copied_and_read_back() -> None:
    suite = bench.Suite(name="a", seeds=3)
    assert bench.Suite.model_validate_json(suite.model_dump_json()) == suite
    assert suite.model_copy(update={"seed": 2}).seeds == 3


@pytest.mark.parametrize("name", ["a/b", "../x", "a\\b", "", " a", "a\nb", "x" * 201, "\x1b[2J"])
@pytest.mark.parametrize("what", ["datasets", "models"])
def test_names_that_look_like_paths_are_refused(tmp_path: Path, name: str, what: str) -> None:
    given = {name: pd.DataFrame({"x": [1.0, 2.0]})}
    with pytest.raises(bench.BenchError, match=f"{what}: expected a name in one line") as caught:
        bench.run(SUITE, results=tmp_path / "r", **{what: given})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_data_of_a_mapping_have_no_place_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,value\n2020-01-01,1\n2020-01-02,two\n")
    suite = {**SUITE, "datasets": [{"id": "mine", "kind": "file", "path": str(tmp_path / "x.csv"), "column": "value"}]}
    with pytest.raises(bench.BenchError) as caught:
        bench.run(suite, results=tmp_path / "r")
    assert "suite:" not in str(caught.value)
    assert str(caught.value).startswith("mine: ")


class TestOtherFolders:
    def test_a_new_an_empty_and_its_own_folder_will_do(self, tmp_path: Path) -> None:
        refuse_other_folder(tmp_path / "new", "s")
        refuse_other_folder(tmp_path, "s")
        (tmp_path / ".gitkeep").write_text("")
        refuse_other_folder(tmp_path, "s")
        store.write_suite(tmp_path, '{"name": "s"}')
        (tmp_path / "notes.txt").write_text("mine")
        refuse_other_folder(tmp_path, "s")

    def test_results_of_another_suite_are_refused(self, tmp_path: Path) -> None:
        store.write_suite(tmp_path, '{"name": "other"}')
        with pytest.raises(InputError, match=r"expected results of the suite 's', got those of 'other'; name another"):
            refuse_other_folder(tmp_path, "s")

    def test_files_that_are_no_results_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("mine")
        (tmp_path / "zoo").mkdir()
        with pytest.raises(InputError, match=r"got one that holds thesis\.tex and 1 more; name another folder"):
            refuse_other_folder(tmp_path, "s")
