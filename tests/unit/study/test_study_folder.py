"""Creating, locking, resuming and reading a study folder."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from automl_ad.config import SelectionConfig
from automl_ad.errors import StudyError
from automl_ad.space import load_space
from automl_ad.study import Study, StudyFolder

DOCUMENTS = {"preprocessor": {"columns": ["a", "b"]}}
ARRAYS = {"panel": {"positions": np.arange(5)}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "study"


@pytest.fixture
def created(path, config, space):
    Study.create(path, config, fingerprint="f1", space=space, documents=DOCUMENTS, arrays=ARRAYS).close()
    return path


def test_documents_and_arrays_are_readable_without_lock(path, config, space):
    with Study.create(
        path, config, fingerprint="f1", space=space, documents=DOCUMENTS, arrays=ARRAYS
    ) as study:
        folder = StudyFolder.read(path)
        assert folder.record == study.record
        assert folder.record.config == config
        assert folder.document("preprocessor") == DOCUMENTS["preprocessor"]
        np.testing.assert_array_equal(folder.arrays("panel")["positions"], np.arange(5))
        study.write_document("selection", {"best": "3/distance@5"})
        assert folder.document("selection") == {"best": "3/distance@5"}


def test_existing_study_needs_resume(created, config, space):
    with pytest.raises(StudyError) as caught:
        Study.create(created, config, fingerprint="f1", space=space)
    assert caught.value.exit_code == 2
    assert "--resume" in caught.value.hint


def test_folder_of_something_else_is_refused_and_untouched(path, config, space):
    path.mkdir(parents=True)
    (path / "thesis.tex").write_text("years of work")
    with pytest.raises(StudyError, match="something else"):
        Study.create(path, config, fingerprint="f1", space=space)
    with pytest.raises(StudyError, match=r"study\.json"):
        Study.resume(path, config, fingerprint="f1", space=space)
    assert [entry.name for entry in path.iterdir()] == ["thesis.tex"]


def test_file_in_the_way_is_refused(path, config, space):
    path.parent.mkdir()
    path.write_text("")
    with pytest.raises(StudyError, match="new or empty folder"):
        Study.create(path, config, fingerprint="f1", space=space)


def test_creation_killed_before_the_record_can_be_repeated(path, config, space):
    path.mkdir(parents=True)
    for name in ("lock", "preprocessor.json", ".tmp-123"):
        (path / name).write_text("half")
    with Study.create(path, config, fingerprint="f1", space=space, documents=DOCUMENTS) as study:
        assert study.document("preprocessor") == DOCUMENTS["preprocessor"]


def test_damaged_record_is_named(created, config, space):
    (created / "study.json").write_text('{"format": 1')
    with pytest.raises(StudyError, match=r"study\.json"):
        Study.resume(created, config, fingerprint="f1", space=space)


def test_record_is_readable_json(created):
    document = json.loads((created / "study.json").read_text())
    assert document["fingerprint"] == "f1"
    assert document["config"]["seed"] == 3
    assert "torch" in document["versions"]


def test_budgets_may_grow(created, config, space):
    grown = dataclasses.replace(config, max_trials=20, time_budget_s=60.0)
    with Study.resume(created, grown, fingerprint="f1", space=space) as study:
        assert study.record.config == grown
    assert StudyFolder.read(created).record.config == grown


def test_the_selection_may_change(created, config, space):
    selection = SelectionConfig(rank_by=("consensus=2", "tail_shape"), aggregate="kemeny", n_parts=1)
    other = dataclasses.replace(config, selection=selection)
    Study.resume(created, other, fingerprint="f1", space=space).close()
    assert StudyFolder.read(created).record.config.selection == selection


def test_a_record_from_before_selections_has_the_usual_one(created, config):
    document = json.loads((created / "study.json").read_text())
    del document["config"]["selection"]
    (created / "study.json").write_text(json.dumps(document))
    assert StudyFolder.read(created).record.config == config


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 4}, r"seed=4 \(was 3\)"),
        ({"max_trials": 5}, r"max_trials=5 \(was 10\)"),
        ({"training_data": "clean"}, "training_data='clean'"),
    ],
)
def test_other_config_is_refused_by_name(created, config, space, changes, named):
    with pytest.raises(StudyError, match=named):
        Study.resume(created, dataclasses.replace(config, **changes), fingerprint="f1", space=space)


def test_other_data_or_space_is_refused(created, config, space):
    with pytest.raises(StudyError, match=r"other data \(fingerprint f2, was f1\)"):
        Study.resume(created, config, fingerprint="f2", space=space)
    with pytest.raises(StudyError, match="another search space"):
        Study.resume(created, config, fingerprint="f1", space=load_space("fast", data_kind="tabular"))


def test_another_group_column_is_refused_by_name(path, config, space):
    Study.create(path, config, fingerprint="f1", space=space, group_column="kind").close()
    with pytest.raises(StudyError, match=r"group_column='site' \(was 'kind'\)"):
        Study.resume(path, config, fingerprint="f1", space=space, group_column="site")
    with pytest.raises(StudyError, match=r"group_column=None \(was 'kind'\)"):
        Study.resume(path, config, fingerprint="f1", space=space)
    Study.resume(path, config, fingerprint="f1", space=space, group_column="kind").close()


def test_a_record_from_before_group_columns_has_none(created, config, space):
    document = json.loads((created / "study.json").read_text())
    del document["group_column"]
    (created / "study.json").write_text(json.dumps(document))
    with pytest.raises(StudyError, match=r"group_column='kind' \(was None\)"):
        Study.resume(created, config, fingerprint="f1", space=space, group_column="kind")
    Study.resume(created, config, fingerprint="f1", space=space).close()


def test_second_process_is_told_who_holds_the_folder(path, config, space):
    program = f"""
import sys
from pathlib import Path
from automl_ad.study.lock import FolderLock
with FolderLock(Path({str(path)!r})):
    print("locked", flush=True)
    sys.stdin.read()
"""
    path.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(StudyError, match=f"process {holder.pid} on"):
            Study.create(path, config, fingerprint="f1", space=space)
        holder.kill()
    Study.create(path, config, fingerprint="f1", space=space).close()


def test_failed_opening_frees_the_folder(created, config, space):
    with pytest.raises(StudyError, match="database"):
        Study.resume(
            created, config, fingerprint="f1", space=space, storage_url="sqlite:////no/such/folder/x.db"
        )
    Study.resume(created, config, fingerprint="f1", space=space).close()


def test_password_of_a_database_is_not_shown(created, config, space):
    with pytest.raises(StudyError) as caught:
        Study.resume(
            created, config, fingerprint="f1", space=space, storage_url="postgresql://me:secret@nowhere/db"
        )
    assert "secret" not in str(caught.value)
