"""Progress reaches stderr, counts what happened, and goes on while nothing happens."""

import time

import pytest

from automl_ad.cli import progress as cli_progress
from automl_ad.cli.progress import ProgressPrinter
from automl_ad.progress import Progress, ProgressLog
from automl_ad.results import TrialConfig, TrialResult


def result(number: int, state: str) -> TrialResult:
    config = TrialConfig(detector="knn", params={}, origin="random")
    return TrialResult(trial=number, config=config, seed=0, state=state)


def test_trials_are_counted_within_their_stage():
    told: list[Progress] = []
    log = ProgressLog(told.append)
    log.stage("baselines", n_total=2)
    log.result(result(0, "completed"))
    log.stage("searching", n_total=5, finished=[result(1, "completed"), result(2, "failed")])
    log.result(result(3, "failed"))
    assert [(p.stage, p.n_done, p.n_failed) for p in told] == [
        ("baselines", 0, 0),
        ("baselines", 1, 0),
        ("searching", 2, 1),
        ("searching", 3, 2),
    ]


def test_each_stage_gets_a_line_and_stdout_none(capsys: pytest.CaptureFixture[str]):
    with ProgressPrinter(enabled=True) as show:
        for n_done in range(5):
            show(Progress(stage="searching", n_done=n_done, n_total=9))
        show(Progress(stage="judging", note="dropped [1] 'x'"))
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split("] ", 1)[1] for line in err.splitlines()] == [
        "searching; 0/9 trials, 0 failed",
        "judging; dropped [1] 'x'",
    ]


def test_a_long_silence_is_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cli_progress, "HEARTBEAT_S", 0.05)
    with ProgressPrinter(enabled=True) as show:
        show(Progress(stage="searching", n_total=9))
        time.sleep(0.3)
    assert len(capsys.readouterr().err.splitlines()) > 1


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]):
    with ProgressPrinter(enabled=False) as show:
        show(Progress(stage="searching"))
    assert capsys.readouterr() == ("", "")
