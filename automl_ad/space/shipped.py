"""The search-space files that come with the package: their names and their text."""

from __future__ import annotations

from importlib.resources import files

from automl_ad.space.known import check_known

FOLDER = "automl_ad.search_spaces"
PRESET_PREFIX = "preset_"
BASELINES = "baselines"


def detector_names() -> tuple[str, ...]:
    """Every detector with a shipped search space."""
    return tuple(stem for stem in _stems() if not stem.startswith(PRESET_PREFIX) and stem != BASELINES)


def preset_names() -> tuple[str, ...]:
    """Every shipped preset."""
    return tuple(stem.removeprefix(PRESET_PREFIX) for stem in _stems() if stem.startswith(PRESET_PREFIX))


def detector_text(name: str) -> tuple[str, str]:
    """Text and file name of a detector's space."""
    check_known("detector", name, detector_names())
    return _text(name)


def preset_text(name: str) -> tuple[str, str]:
    """Text and file name of a preset."""
    check_known("preset", name, preset_names())
    return _text(f"{PRESET_PREFIX}{name}")


def baselines_text() -> tuple[str, str]:
    """Text and file name of the baselines."""
    return _text(BASELINES)


def _stems() -> list[str]:
    return sorted(
        file.name.removesuffix(".toml") for file in files(FOLDER).iterdir() if file.name.endswith(".toml")
    )


def _text(stem: str) -> tuple[str, str]:
    file = f"{stem}.toml"
    return files(FOLDER).joinpath(file).read_text(encoding="utf-8"), file
