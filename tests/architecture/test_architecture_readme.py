"""What the README tells a user to type exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("#")[0]
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("automl-ad ")
]
GROUPS = ("client", "registry", "space")
"""Verbs with verbs of their own."""


@pytest.mark.parametrize("command", COMMANDS)
def test_verbs_and_flags_exist(automl_ad, command: str):
    _, verb, *words = command.split()
    path = [verb, words[0]] if verb in GROUPS else [verb]
    shown = automl_ad(*path, "--help")
    assert shown.code == 0
    flags = [word for word in words if word.startswith("-")]
    assert [flag for flag in flags if flag not in shown.out] == []


def test_there_are_commands_to_check():
    assert {command.split()[1] for command in COMMANDS} == {
        "bench",
        "search",
        "score",
        "serve",
        "show",
        *GROUPS,
    }


def test_exit_codes_are_those_of_the_errors():
    from automl_ad import errors
    from automl_ad.rpc import errors as service_errors

    codes = {
        kind.exit_code
        for kind in (*vars(errors).values(), *vars(service_errors).values())
        if isinstance(kind, type) and issubclass(kind, errors.AutomlADError)
    }
    listed = {int(code) for code in re.findall(r"^\| (\d+)", README, re.MULTILINE)}
    assert codes <= listed


@pytest.mark.parametrize("name", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(name: str):
    assert (ROOT / name).exists()
