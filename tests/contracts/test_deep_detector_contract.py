"""What every deep detector must do: train on real tables, keep its members apart, bear awkward rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from torch import Tensor

from automl_ad.detectors import DETECTORS, DeepDetector
from automl_ad.detectors.phases import Phase
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.space import load_detector
from automl_ad.training import FitReport, fit

Rows = npt.NDArray[np.floating]
Arrays = Mapping[str, npt.NDArray[np.generic]]

DEEP = [name for name in sorted(DETECTORS) if issubclass(DETECTORS[name], DeepDetector)]
MAX_ROWS, N_MEMBERS, SEED = 500, 3, 7
SMALL: dict[str, Value] = {"hidden": "8-4", "latent_size": 3, "n_filters": 8, "n_blocks": 1}
CHEAP: dict[str, Value] = {"n_query": 5}
"""Codes are not searched for long."""
ONE_ROW_OVER = 257
"""Rows: whether a batch has 64, 128 or 256 of them, one is left."""

UNMOVED = {"adversarial_autoencoder": {"critic.2.bias"}}
"""A Wasserstein critic's last bias cancels in its loss. Without weight decay nothing moves it."""

SAME_ROUNDING = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
"""Kernels that round a value the same way whatever its place in memory and however many there are: torch's
vectorised ones round the end of a tensor unlike its middle, and MKL's go by alignment."""

FLOAT32_ONLY = {"mixer"}
"""Takes the moments of its groups in float32, whatever the networks are."""


def read_tables() -> dict[str, Rows]:
    tables = {"breast_cancer": load_breast_cancer(), "wine": load_wine(), "digits": load_digits()}
    return {name: z_scored(table.data[:MAX_ROWS]) for name, table in tables.items()}


def read_images() -> dict[str, Rows]:
    return {"images": (load_digits().data[:MAX_ROWS] / 16).astype(np.float32)}


def z_scored(x_ND: npt.NDArray[np.float64]) -> Rows:
    """Without the constant columns."""
    x_ND = x_ND[:, x_ND.std(axis=0) > 0]
    return np.asarray((x_ND - x_ND.mean(axis=0)) / x_ND.std(axis=0), np.float32)


def reads_images_only(name: str) -> bool:
    return load_detector(name, data_kind="image").data_kinds == ("image",)


def read_rows(name: str) -> dict[str, Rows]:
    """Table -> rows that the detector can read."""
    return read_images() if reads_images_only(name) else read_tables()


def build(
    name: str,
    n_features: int,
    n_members: int = N_MEMBERS,
    n_epochs: int = 5,
    sizes: Mapping[str, Value] = SMALL,
) -> DeepDetector:
    """An unfitted detector with few epochs in every phase whose length is a parameter."""
    names = [parameter.name for parameter in load_detector(name, data_kind="image").parameters]
    epochs = {parameter: n_epochs for parameter in names if parameter.endswith("_epochs")}
    detector = DETECTORS[name].build(
        {**sizes, **CHEAP, **epochs}, n_features=n_features, n_members=n_members, seed=SEED
    )
    assert isinstance(detector, DeepDetector)
    return detector


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Run:
    """A fit, and what it began with."""

    rows: Rows
    before: Mapping[str, Tensor]
    phases: Sequence[Phase]
    detector: DeepDetector
    report: FitReport
    checkpoints: Sequence[int]

    @property
    def n_epochs(self) -> int:
        return sum(phase.n_epochs for phase in self.phases)


def train(detector: DeepDetector, rows: Rows) -> Run:
    before, phases = tensors_of(detector), detector.phases(len(rows))
    checkpoints: list[int] = []

    def note(epoch: int) -> bool:
        checkpoints.append(epoch)
        return False

    report = fit(detector, rows, seed=SEED, checkpoints=(), on_checkpoint=note)
    return Run(
        rows=rows, before=before, phases=phases, detector=detector, report=report, checkpoints=checkpoints
    )


def tensors_of(detector: DeepDetector) -> dict[str, Tensor]:
    """Copies of all parameters and buffers, those that are not kept among them."""
    named = [*detector.named_parameters(), *detector.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in named}


def listed_parameters(phases: Sequence[Phase]) -> set[int]:
    """The identities of the parameters that some step trains."""
    return {id(p) for phase in phases for step in phase.steps for p in step.parameters}


def assert_finite_scores(detector: DeepDetector, rows: Rows) -> None:
    scores = detector.scores(rows)
    assert list(scores) == [score_type.name for score_type in detector.score_types]
    for name, values in scores.items():
        assert values.shape == (detector.n_members, len(rows)), name
        assert np.isfinite(values).all(), name


def run_with_and_without_member_1(name: str) -> tuple[Arrays, Arrays]:
    """What becomes of members 0 and 2, first among three, then with member 1 lost at once."""
    rows = list(read_rows(name).values())[-1]
    whole, lossy = (build(name, rows.shape[1]) for _ in range(2))
    with torch.no_grad():
        lossy.phases(len(rows))[0].steps[0].parameters[0][1] = torch.nan
    expected = {key: array[[0, 2]] for key, array in outcome_of(train(whole, rows)).items()}
    lossy_run = train(lossy, rows)
    assert lossy_run.report.n_alive == lossy.n_members == 2
    assert lossy_run.report.losses_SE is not None
    assert np.isnan(lossy_run.report.losses_SE[1]).all()
    return expected, outcome_of(lossy_run) | {"losses": lossy_run.report.losses_SE[[0, 2]]}


def outcome_of(run: Run) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays, scores and losses, each with a leading member axis."""
    assert run.report.losses_SE is not None
    scores = {f"scores {key}": values for key, values in run.detector.scores(run.rows).items()}
    return {**run.detector.arrays(), **scores, "losses": run.report.losses_SE}


@pytest.fixture(scope="module")
def same_rounding() -> Iterator[Executor]:
    """A process in which members are rounded alike whoever else is there; torch reads the variables once."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in SAME_ROUNDING.items():
            patch.setenv(variable, value)
        with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,)) as process:
            process.submit(reads_images_only, DEEP[0]).result()  # starts it, the variables being set
            yield process


@pytest.fixture
def dtype(name: str) -> Iterator[torch.dtype]:
    """Float64 where it can be had, for what torch makes too.

    Batch normalization takes the mean away and leaves the bias before it no gradient but rounding, of which
    Adam makes full steps: in float32 no two networks that round differently stay together.
    """
    chosen = torch.float32 if name in FLOAT32_ONLY else torch.float64
    torch.set_default_dtype(chosen)
    yield chosen
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module", params=DEEP)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def runs(name: str) -> dict[str, Run]:
    """Table -> three members fitted on it."""
    return {table: train(build(name, rows.shape[1]), rows) for table, rows in read_rows(name).items()}


@pytest.fixture(scope="module")
def run(runs: dict[str, Run]) -> Run:
    """The fit that others are compared with: on the table that comes last."""
    return list(runs.values())[-1]


class TestDeepDetectorContract:
    def test_scores_of_real_tables_are_finite(self, runs: dict[str, Run]) -> None:
        for run in runs.values():
            assert run.report.n_alive == N_MEMBERS
            assert_finite_scores(run.detector, run.rows)

    def test_arrays_are_float32_and_begin_with_the_members(self, runs: dict[str, Run]) -> None:
        for table, run in runs.items():
            for key, array in run.detector.arrays().items():
                assert array.dtype == np.float32, (table, key)
                assert array.shape[0] == N_MEMBERS, (table, key)

    def test_every_parameter_is_trained_by_some_step(self, run: Run) -> None:
        trained = listed_parameters(run.phases)
        idle = {name for name, p in run.detector.named_parameters() if id(p) not in trained}
        assert idle == set()

    def test_every_trained_parameter_moves_in_every_member(self, name: str, runs: dict[str, Run]) -> None:
        for table, run in runs.items():
            trained = listed_parameters(run.phases)
            still = {
                key
                for key, p in run.detector.named_parameters()
                if id(p) in trained and not (p != run.before[key]).flatten(1).any(dim=1).all()
            }
            assert still <= UNMOVED.get(name, set()), table

    def test_diagnostics_are_finite_and_tell_that_weights_moved(self, runs: dict[str, Run]) -> None:
        for table, run in runs.items():
            facts = run.detector.diagnostics()
            assert facts["weight_change"] > 1e-6, table
            assert all(np.isfinite(value) for value in facts.values()), (table, facts)

    def test_losses_are_finite_for_every_member_and_epoch(self, runs: dict[str, Run]) -> None:
        for table, run in runs.items():
            losses_SE = run.report.losses_SE
            assert losses_SE is not None
            assert losses_SE.shape == (N_MEMBERS, run.n_epochs), table
            assert np.isfinite(losses_SE).all(), table

    def test_a_lost_member_leaves_no_trace_in_the_others(self, name: str, same_rounding: Executor) -> None:
        expected, actual = same_rounding.submit(run_with_and_without_member_1, name).result()
        assert_equal(actual, expected)

    def test_a_member_alone_becomes_what_it_is_among_others(
        self, name: str, run: Run, dtype: torch.dtype
    ) -> None:
        rows = torch.tensor(run.rows).to(dtype).numpy()
        three, alone = (build(name, rows.shape[1], n_members).to(dtype) for n_members in (3, 1))
        of_three = tensors_of(three)
        with torch.no_grad():
            for key, tensor in [*alone.named_parameters(), *alone.named_buffers()]:
                tensor.copy_(of_three[key][1:2])
        train(three, rows)
        train(alone, rows)
        among = three.scores(rows)
        for key, (values,) in alone.scores(rows).items():
            expected = among[key][1]
            tolerance = (1e-3 if dtype == torch.float32 else 1e-6) * float(expected.std())
            np.testing.assert_allclose(values, expected, rtol=0, atol=max(tolerance, 1e-12), err_msg=key)
            assert spearmanr(values, expected).statistic > 0.999, key

    @pytest.mark.parametrize("n_rows", [4, 500])
    def test_asking_for_the_phases_changes_nothing(self, name: str, run: Run, n_rows: int) -> None:
        detector = build(name, run.rows.shape[1])
        before, n_epochs = tensors_of(detector), [p.n_epochs for p in detector.phases(n_rows)]
        after = tensors_of(detector)
        assert_equal(as_arrays(after), as_arrays(before))
        assert [p.n_epochs for p in detector.phases(n_rows)] == n_epochs

    @pytest.mark.parametrize("n_rows", [4, 500])
    def test_phases_can_be_trained_and_end_ready_to_score(self, name: str, run: Run, n_rows: int) -> None:
        phases = build(name, run.rows.shape[1]).phases(n_rows)
        assert all(phase.batch_size >= 1 for phase in phases)
        assert all(phase.steps for phase in phases)
        assert not phases[-1].is_preparation

    def test_the_last_checkpoint_is_the_sum_of_all_epochs(self, runs: dict[str, Run]) -> None:
        for table, run in runs.items():
            assert run.checkpoints == [run.n_epochs], table

    def test_very_small_data_are_fitted_or_refused(self, name: str) -> None:
        """With the published sizes: eight rows of three features, or of 4 x 4 pixels."""
        rng = np.random.default_rng(SEED)
        drawn = rng.random((8, 16)) if reads_images_only(name) else rng.normal(size=(8, 3))
        rows, refusal = drawn.astype(np.float32), ""
        try:
            run = train(build(name, rows.shape[1], n_epochs=2, sizes={}), rows)
        except TrialFailed as failure:
            refusal = str(failure)
        if refusal:
            words = [
                name,
                *(parameter.name for parameter in load_detector(name, data_kind="image").parameters),
            ]
            assert any(word in refusal for word in words), refusal
        else:
            assert_finite_scores(run.detector, rows)

    def test_awkward_rows_are_scored(self, name: str) -> None:
        """A constant feature, two rows alike, and one row over in every epoch."""
        rows = next(iter(read_rows(name).values()))[:ONE_ROW_OVER].copy()
        rows[:, 2] = 0.7
        rows[1] = rows[0]
        detector = train(build(name, rows.shape[1], n_epochs=2), rows).detector
        assert detector.n_members == N_MEMBERS
        assert_finite_scores(detector, rows)
        rows[:, 2] = np.linspace(0, 1, len(rows))
        assert_finite_scores(detector, rows)


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, npt.NDArray[np.generic]]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def assert_equal(actual: Arrays, expected: Arrays) -> None:
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array, err_msg=name)
