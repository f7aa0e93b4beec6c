"""The story of a benchmark: find the tables, search each in each regime, judge, write report and page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from automl_ad.errors import ConfigError, DataError, StudyError, did_you_mean
from automl_ad.evaluation.bench.document import bench_document
from automl_ad.evaluation.bench.judging import judge_cases
from automl_ad.evaluation.bench.page import bench_page
from automl_ad.evaluation.bench.records import BenchReport, DatasetOutcome
from automl_ad.evaluation.bench.searching import CASES_FOLDER, BenchConfig, search_cases
from automl_ad.evaluation.bench.tables import REGIMES, Case, Regime
from automl_ad.results import Value

ENDINGS = (".parquet", ".csv")
REPORT_FILE, PAGE_FILE = "bench.json", "bench.html"

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchOutcome:
    """What was measured, and where it is written."""

    report: BenchReport
    document: Path
    page: Path


def bench(
    folder: Path,
    config: BenchConfig,
    *,
    regimes: Sequence[str],
    n_seeds: int,
    contaminations: Sequence[float],
    output: Path,
    with_peers: bool = True,
    say: Say | None = None,
) -> BenchOutcome:
    """Measure the search on every labelled table of the folder; what `output` holds is not searched again.

    Raises DataError when the folder holds no table or no case could be measured, and StudyError when
    `output` holds something else.
    """
    say = say or _say_nothing
    cases = find_cases(folder, regimes, n_seeds, contaminations)
    _require_ours(output)
    say(f"{len(cases)} searches of {config.max_trials} trials, {config.n_jobs} at a time")
    failures = search_cases(cases, config, output, _sayer(say, len(cases)))
    searched = [case for case in cases if case not in failures]
    say(f"judging {len(searched)} searches")
    outcomes = judge_cases(searched, config, output, with_peers=with_peers)
    measured = [outcome for outcome in outcomes if isinstance(outcome, DatasetOutcome)]
    unmeasured = {c: o for c, o in zip(searched, outcomes, strict=True) if isinstance(o, str)}
    for case, reason in {**failures, **unmeasured}.items():
        say(f"left out: {case.folder}: {reason}")
    if not measured:
        raise DataError(
            f"at least one case must be measured, got none of {len(cases)}: "
            f"{next(iter({**failures, **unmeasured}.values()))}",
            "look at the reasons above",
        )
    return _write(BenchReport(outcomes=tuple(measured), config=_settings(config)), output)


def find_cases(
    folder: Path, regimes: Sequence[str], n_seeds: int, contaminations: Sequence[float]
) -> list[Case]:
    """Every table of the folder in every regime with every seed, the first seed of all before the second.

    Raises DataError when there is no table, ConfigError for an unknown regime or two tables of the same name.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix in ENDINGS) if folder.is_dir() else []
    if not paths:
        raise DataError(
            f"DIR must be a folder with {' or '.join(ENDINGS)} files, got none in {folder}", "check the path"
        )
    if len({path.stem for path in paths}) < len(paths):
        raise ConfigError(f"the tables in {folder} must have different names", "rename or remove one")
    known = map(_known, regimes)
    shares = {
        regime: tuple(dict.fromkeys(contaminations)) if regime == "injected" else (None,) for regime in known
    }
    return [
        Case(path=path, regime=regime, seed=seed, contamination=share)
        for seed in range(n_seeds)
        for path in paths
        for regime, of_regime in shares.items()
        for share in of_regime
    ]


def _known(regime: str) -> Regime:
    for known in REGIMES:
        if regime == known:
            return known
    raise ConfigError(
        f"--regime must be one of {', '.join(REGIMES)}, got {regime!r}", did_you_mean(regime, REGIMES)
    )


def _require_ours(output: Path) -> None:
    """A folder that holds other things is not the place for a benchmark."""
    if output.exists() and any(output.iterdir()) and not (output / CASES_FOLDER).is_dir():
        raise StudyError(
            f"--output must be a new folder or that of a benchmark, got {output}, which holds something else",
            "give another --output",
        )


def _say_nothing(line: str) -> None:
    del line


def _sayer(say: Say, n_cases: int) -> Callable[[Case, float, str], None]:
    n_done = 0

    def on_case(case: Case, seconds: float, reason: str) -> None:
        nonlocal n_done
        n_done += 1
        how = "failed" if reason else ("kept from before" if seconds == 0 else f"{seconds:.0f} s")
        say(f"{n_done}/{n_cases} {case.dataset} {case.regime_name} seed {case.seed}: {how}")

    return on_case


def _settings(config: BenchConfig) -> dict[str, Value | None]:
    """What a reader must know to repeat it; how many processes ran changes nothing."""
    return {name: value for name, value in asdict(config).items() if name != "n_jobs"}


def _write(report: BenchReport, output: Path) -> BenchOutcome:
    document, page = output / REPORT_FILE, output / PAGE_FILE
    document.write_text(bench_document(report) + "\n")
    page.write_text(bench_page(report))
    return BenchOutcome(report=report, document=document, page=page)
