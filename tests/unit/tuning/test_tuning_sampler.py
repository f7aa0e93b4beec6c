"""Which configs are proposed, in which order; a resumed search goes on as if nothing had happened."""

import dataclasses
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.config import SearchConfig
from automl_ad.space import load_space
from automl_ad.study import Study
from automl_ad.tuning import Baselines, Sampler
from automl_ad.tuning.sampler import is_control


@pytest.fixture
def sampler(study, space, config):
    return Sampler(study, space, config)


def run(proposer, study, make_result, n=None, objective=None):
    """Run n trials (or all) at once; the proposed configs."""
    configs = []
    while (n is None or len(configs) < n) and (asked := proposer.ask()):
        number, config = asked
        study.store.write(make_result(number, config, objective and objective(config)))
        proposer.tell(study.store.read(number))
        configs.append(config)
    return configs


def test_every_default_comes_first_and_once(sampler, study, space, make_result):
    configs = run(sampler, study, make_result)
    defaults = space.published_defaults()
    assert configs[: len(defaults)] == list(defaults)
    assert {config.origin for config in configs[len(defaults) :]} == {"sampled", "random"}


def test_max_trials_is_exact_and_spares_baselines(sampler, study, space, config, make_result):
    baselines = run(Baselines(study, space), study, make_result)
    assert baselines == list(space.baselines)
    assert Baselines(study, space).ask() is None
    assert len(run(sampler, study, make_result)) == config.max_trials
    assert sampler.ask() is None


def test_no_config_is_tried_twice_and_all_are_valid(sampler, study, space, make_result):
    configs = run(sampler, study, make_result)
    assert len({(c.detector, tuple(c.params.items())) for c in configs}) == len(configs)
    for config in configs:
        space.detectors[config.detector].validate(
            {**space.detectors[config.detector].defaults(), **config.params}
        )


def test_detectors_share_by_number_of_parameters(sampler, study, space, make_result):
    configs = run(sampler, study, make_result)
    counts = Counter(config.detector for config in configs)
    total = sum(len(detector.parameters) for detector in space.detectors.values())
    for name, detector in space.detectors.items():
        assert abs(counts[name] - len(configs) * len(detector.parameters) / total) <= 2


def test_a_detector_that_always_fails_keeps_its_share_only(sampler, study, space, make_result):
    counts = Counter()
    while asked := sampler.ask():
        number, config = asked
        counts[config.detector] += 1
        broken = {"state": "failed", "candidates": (), "weights": {}} if config.detector == "gmm" else {}
        study.store.write(make_result(number, config, **broken))
        sampler.tell(study.store.read(number))
    assert 10 <= counts["gmm"] <= 20


def test_control_arm_has_its_share_in_every_detector(study, space, make_result, config):
    run(Sampler(study, space, dataclasses.replace(config, max_trials=80)), study, make_result)
    for detector in space.detectors:
        own = [trial.config.origin for trial in study.trials() if trial.config.detector == detector]
        samples = [origin for origin in own if origin in ("sampled", "random")]
        assert samples.count("random") >= len(samples) / 4
        assert samples.count("sampled") >= len(samples) / 4
        assert "random" in samples[-5:]


@given(position=st.integers(0, 500), share=st.floats(0, 1))
def test_every_beginning_has_the_random_share(position, share):
    n_random = sum(is_control(i, share) for i in range(position))
    assert n_random >= math.floor(share * position)


def test_tpe_learns_inside_its_detector(study, space, make_result, config):
    """The objective likes large n_neighbors: TPE draws larger ones than the control arm."""
    only_knn = load_space("balanced", data_kind="tabular", only=("knn",))
    sampler = Sampler(study, only_knn, dataclasses.replace(config, max_trials=60))

    def objective(config):
        return math.log(config.params["n_neighbors"])

    configs = run(sampler, study, make_result, objective=objective)

    def mean(origin):
        values = [objective(config) for config in configs if config.origin == origin]
        return sum(values) / len(values)

    assert mean("sampled") > mean("random") + 0.5


def test_exhausted_space_ends_the_search_early(tmp_path, make_result):
    space = load_space("balanced", data_kind="tabular", only=("distance_to_center",))
    config = SearchConfig(max_trials=1000)
    with Study.create(tmp_path / "small", config, fingerprint="f", space=space) as study:
        configs = run(Sampler(study, space, config), study, make_result)
    assert 6 <= len(configs) <= 12


def test_resumed_search_proposes_what_the_uninterrupted_one_would(tmp_path, space, config, make_result):
    def search(path, stops):
        proposed = []
        for n in stops:
            open_study = Study.resume if path.exists() else Study.create
            with open_study(path, config, fingerprint="f", space=space) as study:
                proposed += run(Sampler(study, space, config), study, make_result, n)
        return proposed

    assert search(tmp_path / "a", [7, 1, 20, None]) == search(tmp_path / "b", [None])


def test_interrupted_config_is_proposed_again_first(sampler, study, space, config, make_result):
    run(sampler, study, make_result, n=10)
    _, lost = sampler.ask()
    study.close()
    with Study.resume(study.path, config, fingerprint="f", space=space) as resumed:
        sampler = Sampler(resumed, space, config)
        assert sampler.ask()[1] == lost
        configs = run(sampler, resumed, make_result)
        assert lost not in configs
        assert len(configs) == config.max_trials - 11


def test_interrupted_baseline_is_left_to_the_baselines(study, space, config, make_result):
    baselines = Baselines(study, space)
    baselines.ask()
    study.close()
    with Study.resume(study.path, config, fingerprint="f", space=space) as resumed:
        assert Sampler(resumed, space, config).ask()[1].origin == "default"
        assert run(Baselines(resumed, space), resumed, make_result) == list(space.baselines)


def test_trial_stopped_before_its_first_checkpoint_does_not_count(sampler, study, space, make_result):
    number, config = sampler.ask()
    study.store.write(make_result(number, config, state="stopped", candidates=(), weights={}))
    sampler.tell(study.store.read(number))
    assert sampler.ask()[1] == config


def test_described_attributes_reach_the_index(study, space, config, make_result):
    sampler = Sampler(study, space, config, describe=lambda result: {"veto": f"veto of {result.trial}"})
    run(sampler, study, make_result, n=1)
    assert study.trials()[0].frozen.user_attrs["veto"] == "veto of 0"


def test_parallel_asks_differ_and_nothing_is_printed(sampler, study, make_result, capfd):
    run(sampler, study, make_result, n=30)
    configs = [sampler.ask()[1] for _ in range(8)]
    assert len({(c.detector, tuple(c.params.items())) for c in configs}) == 8
    assert capfd.readouterr() == ("", "")
