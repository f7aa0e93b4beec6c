"""Which settings of the threshold go together."""

from __future__ import annotations

import pytest

from automl_ad.config import SearchConfig
from automl_ad.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "rule", "share"),
    [
        ({}, "alert-rate", 0.01),
        ({"alert_rate": 0.03}, "alert-rate", 0.03),
        ({"contamination": 0.2}, "contamination", 0.2),
        ({"contamination": 0.2, "threshold": "contamination"}, "contamination", 0.2),
        ({"threshold": "pot", "alert_rate": 1e-4}, "pot", 1e-4),
        ({"threshold": "ema"}, "ema", 0.01),
        ({"threshold": "alert-rate", "combine": "vote"}, "alert-rate", 0.01),
    ],
)
def test_the_rule_follows_what_is_given(settings, rule, share):
    config = SearchConfig(**settings)
    assert (config.threshold_rule, config.flagged_share) == (rule, share)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contamination": 0.2, "alert_rate": 0.01}, "must come without --alert-rate, got 0.2 and 0.01"),
        ({"contamination": 0.2, "threshold": "pot"}, "got --threshold pot and --contamination 0.2"),
        ({"contamination": 0.2, "threshold": "alert-rate"}, "--contamination 0.2"),
        ({"threshold": "contamination"}, "got --threshold contamination and --contamination None"),
        ({"threshold": "pot", "combine": "vote"}, "--combine vote must have the majority as threshold"),
        ({"threshold": "mad"}, "--threshold must be alert-rate, contamination, pot or ema, got 'mad'"),
        ({"alert_rate": 0.0}, r"--alert-rate must be in \(0, 1\), got 0.0"),
    ],
)
def test_contradictions_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SearchConfig(**settings)
