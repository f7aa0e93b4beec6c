"""The audit of CI fails on a vulnerability, and never takes silence for an answer."""

import importlib.util
import sys
import tomllib
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / ".ci" / "audit.py"
TODAY = date(2026, 6, 1)
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI"}
HOLED = {
    "name": "holed",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-2026-7", "aliases": ["CVE-2026-7"], "fix_versions": ["2.1"]}],
}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_audit", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ci_audit"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def accept(until: date, name: str = "PYSEC-2026-7") -> list[dict[str, Any]]:
    return [{"id": name, "until": until, "reason": "not reachable from here"}]


def test_no_findings_pass_and_unknown_packages_are_named(audit: ModuleType):
    verdict = audit.judge([SOUND, UNKNOWN], [], TODAY)
    assert verdict.code == 0
    assert verdict.lines == ("audited 1 packages; not known to the service: ours",)


def test_a_finding_fails_and_names_the_way_out(audit: ModuleType):
    verdict = audit.judge([SOUND, HOLED], [], TODAY)
    assert verdict.code == 1
    assert verdict.lines[-1] == "FOUND holed 2.0: PYSEC-2026-7, fixed in 2.1"


@pytest.mark.parametrize("name", ["PYSEC-2026-7", "CVE-2026-7"])
def test_a_finding_may_be_accepted_by_any_of_its_names_until_a_day(audit: ModuleType, name: str):
    assert audit.judge([HOLED], accept(TODAY, name), TODAY).code == 0
    assert audit.judge([HOLED], accept(date(2026, 5, 31), name), TODAY).code == 1


def test_accepting_one_does_not_accept_another(audit: ModuleType):
    assert audit.judge([HOLED], accept(TODAY, "CVE-2026-8"), TODAY).code == 1


def test_a_service_that_knows_nothing_has_not_audited(audit: ModuleType):
    verdict = audit.judge([UNKNOWN], [], TODAY)
    assert verdict.code == 75
    assert verdict.lines == ("NOT AUDITED: the service knows none of 1 packages",)


def test_the_list_of_accepted_findings_is_complete(audit: ModuleType):
    for entry in tomllib.loads(audit.IGNORED.read_text()).get("ignore", []):
        assert set(entry) == {"id", "until", "reason"}
        assert isinstance(entry["until"], date)
