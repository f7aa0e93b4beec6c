"""A result comes back as it was written, or the error names the folder that is damaged."""

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest

from automl_ad.errors import StudyError
from automl_ad.results import TrialConfig
from automl_ad.study import TrialStore


@pytest.fixture
def store(tmp_path: Path) -> TrialStore:
    return TrialStore(tmp_path / "trials")


def test_result_comes_back_without_weights(store, make_result):
    config = TrialConfig(
        detector="knn", params={"i": 5, "f": 1e-3, "whole": 2.0, "b": True, "s": "mean"}, origin="sampled"
    )
    odd = {"reason": "why", "n_members": 2, "n_parameters": 11, "peak_bytes": 99, "phase_starts": (0, 5)}
    written = make_result(7, config=config, **odd)
    store.write(written)
    read = store.read(7)
    special = {"candidates", "losses", "weights", "kept_checkpoints"}
    for field in {field.name for field in dataclasses.fields(written)} - special:
        assert getattr(read, field) == getattr(written, field), field
    assert [type(value) for value in read.config.params.values()] == [int, float, float, bool, str]
    assert (read.weights, read.kept_checkpoints) == ({}, (5, 10))
    np.testing.assert_array_equal(read.losses, written.losses)


def test_candidates_come_back(store, make_result):
    written = make_result(7)
    store.write(written)
    for ours, theirs in zip(store.read(7).candidates, written.candidates, strict=True):
        for field in ("key", "detector", "objective", "member_agreement", "member_jaccard"):
            assert getattr(ours, field) == getattr(theirs, field), field
        np.testing.assert_equal(dict(ours.diagnostics), dict(theirs.diagnostics))
        np.testing.assert_array_equal(ours.panel_scores, theirs.panel_scores)
        np.testing.assert_array_equal(ours.probe_scores["shift"], theirs.probe_scores["shift"])


def test_failed_result_without_arrays_comes_back(store, make_result):
    store.write(make_result(0, objectives=(), losses=None, state="failed", reason="too few rows"))
    assert store.read(0).state == "failed"
    assert store.read(0).losses is None


def test_weights_are_read_on_demand(store, make_result):
    rows = np.arange(12.0).reshape(3, 4).T
    store.write(make_result(1, weights={5: {"rows": rows, "scale": np.float32(2.0)}}))
    arrays = store.weights(1, 5)
    np.testing.assert_array_equal(arrays["rows"], rows)
    assert arrays["scale"].shape == ()
    with pytest.raises(StudyError, match=r"checkpoint 10 of trial 1 \(kept: 5\)"):
        store.weights(1, 10)


def test_second_write_of_a_number_changes_nothing(store, make_result):
    store.write(make_result(2, reason="first"))
    store.write(make_result(2, reason="second"))
    assert store.read(2).reason == "first"
    assert [path.name for path in store.root.iterdir()] == ["00002"]


def test_many_writers_of_one_number_leave_one_whole_result(store, make_result):
    result = make_result(4)
    writers = [threading.Thread(target=store.write, args=(result,)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert store.read(4).trial == 4
    assert [path.name for path in store.root.iterdir()] == ["00004"]


@pytest.mark.parametrize("name", ["result.json", "panel.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "emptied"])
def test_damaged_folder_is_named(store, make_result, name, damage):
    store.write(make_result(3))
    path = store.root / "00003" / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    with pytest.raises(StudyError, match="00003"):
        store.read(3)


def test_missing_panel_scores_are_damage(store, make_result):
    store.write(make_result(3))
    other = make_result(5, objectives=())
    store.write(other)
    (store.root / "00005" / "panel.safetensors").replace(store.root / "00003" / "panel.safetensors")
    with pytest.raises(StudyError, match="panel/distance@5"):
        store.read(3)


def test_leftovers_of_a_killed_writer_are_no_trials_and_are_removed(store, make_result):
    store.write(make_result(0))
    (store.root / ".tmp-killed").mkdir()
    (store.root / ".tmp-killed" / "result.json").write_text("{")
    assert store.numbers() == [0]
    store.remove_leftovers()
    assert [path.name for path in store.root.iterdir()] == ["00000"]


def test_weights_of_the_worst_go_first(store, make_result):
    for number in range(3):
        store.write(make_result(number, weights={1: {"w": np.zeros(1000)}, 2: {"w": np.zeros(1000)}}))
    one_file = (store.root / "00000" / "weights-001.safetensors").stat().st_size
    store.shrink_weights(4 * one_file, worst_first=[2, 0])
    assert [store.read(number).kept_checkpoints for number in range(3)] == [(1, 2), (1, 2), ()]
    assert len(store.read(2).candidates) == 2
    store.shrink_weights(3 * one_file, worst_first=[2, 0])
    assert len(store.read(0).kept_checkpoints) == 1


def test_no_pickle_is_written(store, make_result):
    store.write(make_result(0))
    names = {path.name for path in (store.root / "00000").iterdir()}
    assert names == {"result.json", "panel.safetensors", "weights-005.safetensors", "weights-010.safetensors"}


def test_a_folder_that_vanishes_while_it_is_written_does_not_count(store, make_result):
    """Another process renames its folder between the listing and the look at a file in it."""
    store.write(make_result(1, weights={5: {"rows": np.zeros(3)}}))
    n_bytes = store.weights_bytes()
    being_written = store.root / ".tmp-5"
    being_written.mkdir()
    (being_written / "weights-005.safetensors").symlink_to(store.root / "renamed away")
    assert store.weights_bytes() == n_bytes > 0


def test_what_an_evaluation_asked_for_comes_back_when_it_asks(store, make_result):
    written = make_result(3)
    members = {"panel": np.arange(8.0, dtype=np.float32).reshape(2, 4)}
    aside = np.arange(3.0, dtype=np.float32)
    rich = dataclasses.replace(
        written,
        candidates=tuple(
            dataclasses.replace(c, hindsight_scores=aside, member_scores=members) for c in written.candidates
        ),
    )
    store.write(rich)
    for candidate in store.read(3).candidates:
        np.testing.assert_array_equal(candidate.hindsight_scores, aside)
        assert not candidate.member_scores
    for candidate in store.read_with_members(3).candidates:
        np.testing.assert_array_equal(candidate.member_scores["panel"], members["panel"])
