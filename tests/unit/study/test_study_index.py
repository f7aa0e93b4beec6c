"""What Optuna shows of a study, and that folder and index agree again after any loss."""

import dataclasses
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from automl_ad.errors import StudyError
from automl_ad.results import TrialConfig
from automl_ad.study import Study

KNN = TrialConfig(detector="knn", params={"n_neighbors": 7, "aggregate": "max"}, origin="sampled")


@pytest.fixture(params=["journal", "database"])
def storage_url(request, tmp_path):
    return None if request.param == "journal" else f"sqlite:///{tmp_path}/index.db"


@pytest.fixture
def study(tmp_path, config, space, storage_url):
    with Study.create(
        tmp_path / "study", config, fingerprint="f", space=space, storage_url=storage_url
    ) as study:
        yield study


@pytest.fixture
def reopen(config, space, storage_url):
    def reopened(study):
        study.close()
        return Study.resume(study.path, config, fingerprint="f", space=space, storage_url=storage_url)

    return reopened


@pytest.fixture
def kill(tmp_path, config, space, storage_url):
    """The study as a SIGKILL leaves it: nothing is closed, the lock is gone."""

    def killed(study, damage=Path.exists):
        copy = tmp_path / "killed"
        shutil.copytree(study.path, copy)
        damage(copy)
        return Study.resume(copy, config, fingerprint="f", space=space, storage_url=storage_url)

    return killed


def finish(study, make_result, config=KNN, **changes):
    number = study.index.begin(config)
    study.store.write(make_result(number, config=config, **changes))
    study.tell(study.store.read(number))
    return number


def shown(study, storage_url):
    """The trials as a dashboard reads them."""
    storage = (
        RDBStorage(storage_url)
        if storage_url
        else JournalStorage(JournalFileBackend(str(study.path / "journal.log")))
    )
    return optuna.load_study(study_name=study.record.name, storage=storage).trials


def test_dashboard_sees_parameters_values_and_attributes(study, make_result, storage_url):
    number = finish(study, make_result)
    trial = shown(study, storage_url)[number]
    assert trial.state == TrialState.COMPLETE
    assert trial.value == 0.5
    assert trial.params == {"knn.n_neighbors": 7, "knn.aggregate": "max"}
    assert trial.distributions["knn.n_neighbors"] == optuna.distributions.IntDistribution(2, 200, log=True)
    assert trial.intermediate_values == {5: 0.2, 10: 0.5}
    expected = {"detector": "knn", "origin": "sampled", "score_type": "distance", "checkpoint": 10}
    assert expected.items() <= trial.user_attrs.items()
    assert trial.user_attrs["seconds"] == 0.25


def test_given_attributes_are_shown(study, make_result, storage_url):
    number = study.index.begin(KNN)
    study.store.write(make_result(number, config=KNN))
    study.tell(study.store.read(number), {"veto": "constant scores", "criteria": {"tail_shape": 0.3}})
    attributes = shown(study, storage_url)[number].user_attrs
    assert attributes["veto"] == "constant scores"
    assert attributes["criteria"] == {"tail_shape": 0.3}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"state": "failed", "objectives": (), "reason": "singular covariance"}, TrialState.FAIL),
        ({"state": "stopped"}, TrialState.PRUNED),
        ({"objectives": (None, None)}, TrialState.PRUNED),
        ({"objectives": (float("nan"),)}, TrialState.PRUNED),
        ({"objectives": (float("nan"), 0.3)}, TrialState.COMPLETE),
    ],
)
def test_every_outcome_ends_the_optuna_trial(study, make_result, storage_url, changes, state):
    number = finish(study, make_result, **changes)
    trial = shown(study, storage_url)[number]
    assert trial.state == state
    assert trial.user_attrs.get("reason", "") == changes.get("reason", "")
    assert trial.user_attrs["state"] == changes.get("state", "completed")


def test_stopped_trial_shows_its_curve(study, make_result, storage_url):
    number = finish(study, make_result, state="stopped")
    assert shown(study, storage_url)[number].intermediate_values == {5: 0.2, 10: 0.5}


def test_configs_survive_the_index_exactly(study, space, make_result):
    configs = [*space.baselines, *space.published_defaults()]
    for config in configs:
        finish(study, make_result, config=config)
    assert [trial.config for trial in study.trials()] == configs


def test_running_trial_with_a_result_is_told(study, kill, make_result):
    number = study.index.begin(KNN)
    study.store.write(make_result(number, config=KNN))
    with kill(study) as resumed:
        (trial,) = resumed.trials()
        assert trial.frozen.state == TrialState.COMPLETE
        assert trial.number == number


def test_running_trial_without_a_result_runs_again(study, kill):
    study.index.begin(KNN)
    with kill(study) as resumed:
        assert resumed.index.trials()[0].frozen.state == TrialState.FAIL
        assert resumed.index.claim(["baseline"]) is None
        assert resumed.index.claim(["sampled"]) == (1, KNN)
        assert resumed.index.claim(["sampled"]) is None


def test_trial_half_told_is_told(study, kill, make_result, monkeypatch):
    number = study.index.begin(KNN)
    study.store.write(make_result(number, config=KNN))
    monkeypatch.setattr(study.index._storage, "set_trial_state_values", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        study.tell(study.store.read(number))
    monkeypatch.undo()
    with kill(study) as resumed:
        assert [trial.frozen.state for trial in resumed.trials()] == [TrialState.COMPLETE]


def test_close_settles_trials_that_were_killed_by_us(study, reopen, make_result):
    study.index.begin(KNN)
    with reopen(study) as resumed:
        assert not any(trial.is_running for trial in resumed.index.trials())
        assert resumed.index.claim(["sampled"]) == (1, KNN)


def test_lost_index_is_rebuilt_with_the_same_numbers(study, make_result, config, space):
    finish(study, make_result)
    study.index.begin(KNN)
    last = finish(study, make_result, state="failed", objectives=(), reason="no")
    study.close()
    (study.path / "journal.log").unlink(missing_ok=True)
    with Study.resume(study.path, config, fingerprint="f", space=space) as resumed:
        assert [(t.number, t.frozen.state) for t in resumed.trials()] == [
            (0, TrialState.COMPLETE),
            (last, TrialState.FAIL),
        ]
        assert resumed.index.n_trials == last + 1


def test_half_written_journal_line_is_dropped(tmp_path, config, space, make_result):
    with Study.create(tmp_path / "s", config, fingerprint="f", space=space) as study:
        finish(study, make_result)
    journal = study.path / "journal.log"
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    (study.path / "journal.log.lock").symlink_to(journal)
    with Study.resume(study.path, config, fingerprint="f", space=space) as resumed:
        finish(resumed, make_result)
        assert len(resumed.trials()) == 2


def test_damaged_journal_is_named_with_the_way_out(tmp_path, config, space, make_result):
    with Study.create(tmp_path / "s", config, fingerprint="f", space=space) as study:
        finish(study, make_result)
    journal = study.path / "journal.log"
    journal.write_bytes(b"garbage\n" + journal.read_bytes())
    with pytest.raises(StudyError, match=r"journal\.log") as caught:
        Study.resume(study.path, config, fingerprint="f", space=space)
    assert "rm" in caught.value.hint
    journal.unlink()
    with Study.resume(study.path, config, fingerprint="f", space=space) as resumed:
        assert len(resumed.trials()) == 1


def test_damaged_result_stops_the_resume_and_can_be_removed(
    study, kill, make_result, config, space, storage_url
):
    number = study.index.begin(KNN)
    study.store.write(make_result(number, config=KNN))
    with pytest.raises(StudyError, match="00000"):
        kill(study, damage=lambda folder: (folder / "trials/00000/result.json").write_text("{"))
    folder = study.path.with_name("killed")
    shutil.rmtree(folder / "trials" / "00000")
    with Study.resume(folder, config, fingerprint="f", space=space, storage_url=storage_url) as resumed:
        assert resumed.index.claim(["sampled"]) == (1, KNN)


def test_keep_bytes_spares_the_best_and_the_baselines(tmp_path, space, make_result, config):
    small = dataclasses.replace(config, keep_bytes=1)
    baseline = space.baselines[0]
    with Study.create(tmp_path / "s", small, fingerprint="f", space=space) as study:
        finish(study, make_result, config=baseline, objectives=(0.1,))
        assert study.store.read(0).kept_checkpoints == (5,)
        finish(study, make_result, objectives=(0.9,))
        assert study.store.read(0).kept_checkpoints == (5,)
        assert study.store.read(1).kept_checkpoints == ()
    n_bytes = sum(path.stat().st_size for path in study.store.root.glob("*/weights*"))
    enough_for_two = dataclasses.replace(config, keep_bytes=2 * n_bytes)
    with Study.resume(study.path, enough_for_two, fingerprint="f", space=space) as study:
        finish(study, make_result, objectives=(0.8,))
        finish(study, make_result, objectives=(0.7,))
        assert study.store.read(2).kept_checkpoints == (5,)
        assert study.store.read(3).kept_checkpoints == ()


def test_stderr_stays_quiet(study, make_result, capfd):
    finish(study, make_result)
    assert capfd.readouterr() == ("", "")
