"""The command line: one file per verb, errors turned into a sentence and an exit code."""

from __future__ import annotations

import sys

import typer

from automl_ad.cli import client, registry, space
from automl_ad.cli.bench import bench
from automl_ad.cli.score import score
from automl_ad.cli.search import search
from automl_ad.cli.serve import serve
from automl_ad.cli.show import show
from automl_ad.errors import AutomlADError, ConfigError

app = typer.Typer(
    name="automl-ad",
    help="Find an anomaly detector for a table without labels; keep it, score with it, serve it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(search)
app.command()(score)
app.command()(serve)
app.command()(bench)
app.command()(show)
app.add_typer(client.app, name="client", help="Ask a scoring service: score, explain, models, health.")
app.add_typer(registry.app, name="registry", help="Models in versions: list, add, promote, roll back.")
app.add_typer(space.app, name="space", help="Show, check and describe search spaces.")


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as version_of

        print(f"automl-ad {version_of('automl-ad')}")
        raise typer.Exit


def main() -> None:
    """Run the command line and exit; the README lists the exit codes. The unforeseen keeps its traceback."""
    try:
        app(prog_name="automl-ad")
    except AutomlADError as error:
        print(f"automl-ad: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"automl-ad: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(ConfigError.exit_code)
