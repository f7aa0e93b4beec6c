"""The command line: one file per verb, errors turned into a sentence and an exit code."""

from __future__ import annotations

import sys
import traceback

import typer

from automl_ad.cli import score, search, serve, space
from automl_ad.errors import AutomlADError

app = typer.Typer(
    name="automl-ad",
    help="Find an anomaly detector for a table without labels; keep it, score with it, serve it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(search.search)
app.command()(score.score)
app.command()(serve.serve)
app.add_typer(space.app, name="space", help="Show, check and describe search spaces.")


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from automl_ad import __version__

        print(f"automl-ad {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line and exit; DESIGN 7 lists the exit codes, README repeats them."""
    try:
        app()
    except AutomlADError as error:
        print(f"automl-ad: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:
        traceback.print_exc()
        print("automl-ad: internal error, please report it with the lines above", file=sys.stderr)
        sys.exit(1)
