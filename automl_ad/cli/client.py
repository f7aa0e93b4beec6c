"""`automl-ad client`: ask a scoring service from the command line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_ad.cli.client_flags import (
    Data,
    IdColumn,
    ModelFlag,
    Target,
    Timeout,
    TLSAuthority,
    TLSCertificate,
    TLSKey,
    TLSServerName,
    TokenFile,
    VersionFlag,
    connect,
)
from automl_ad.cli.explained_rows import explained_rows
from automl_ad.cli.row_progress import RowProgress
from automl_ad.cli.termination import exits_on_sigterm

if TYPE_CHECKING:
    from automl_ad.rpc.client.model_info import ModelInfo

app = typer.Typer(no_args_is_help=True, help="Ask a scoring service: score, explain, models, health.")


@app.command()
def score(
    target: Target,
    data: Data,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", dir_okay=False, help="The parquet file to write; an older one is replaced."
        ),
    ],
    model: ModelFlag = "",
    version: VersionFlag = "",
    id_column: IdColumn = None,
    chunk_rows: Annotated[int, typer.Option(min=1, help="Rows of one message.")] = 8192,
    token_file: TokenFile = None,
    tls_ca: TLSAuthority = None,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    tls_server_name: TLSServerName = None,
    timeout: Timeout = "30s",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Score every row of DATA in constant memory; the last line on stdout is the output's path."""
    with (
        exits_on_sigterm(),
        connect(
            target,
            token_file=token_file,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_server_name=tls_server_name,
            timeout=timeout,
        ) as client,
    ):
        from automl_ad.rpc.client.file_scoring import FileJob, score_files

        progress = RowProgress(enabled=not quiet)
        job = FileJob(
            sources=data,
            output=output,
            model=model,
            version=version,
            id_column=id_column,
            chunk_rows=chunk_rows,
        )
        report, details = score_files(client, job, on_progress=progress)
    progress.finish(
        report,
        model=details.model.name,
        version=details.model.version,
        threshold=details.threshold,
        rule=details.threshold_rule,
    )
    print(output)


@app.command()
def explain(
    target: Target,
    data: Data,
    model: ModelFlag = "",
    version: VersionFlag = "",
    id_column: IdColumn = None,
    token_file: TokenFile = None,
    tls_ca: TLSAuthority = None,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    tls_server_name: TLSServerName = None,
    timeout: Timeout = "30s",
) -> None:
    """Say of every row of DATA what each feature contributes to its score: one line of JSON a row."""
    with connect(
        target,
        token_file=token_file,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_server_name=tls_server_name,
        timeout=timeout,
    ) as client:
        for line in explained_rows(client, data, model=model, version=version, id_column=id_column):
            print(json.dumps(line, default=str), flush=True)


@app.command()
def models(
    target: Target,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    token_file: TokenFile = None,
    tls_ca: TLSAuthority = None,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    tls_server_name: TLSServerName = None,
    timeout: Timeout = "30s",
) -> None:
    """List the models that the token may use, with the columns they read."""
    with connect(
        target,
        token_file=token_file,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_server_name=tls_server_name,
        timeout=timeout,
    ) as client:
        listed = client.list_models()
    if as_json:
        print(json.dumps([asdict(model) for model in listed], indent=2))
    else:
        _print_models(listed)


@app.command()
def health(
    target: Target,
    service: Annotated[str, typer.Option(help="One service of the server; empty: all of it.")] = "",
    tls_ca: TLSAuthority = None,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    tls_server_name: TLSServerName = None,
    timeout: Timeout = "5s",
) -> None:
    """Ask grpc.health.v1, without a token: exit code 0 when calls are answered, else 1; 2 for wrong flags."""
    from automl_ad.rpc.errors import ServiceError

    try:
        with connect(
            target,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_server_name=tls_server_name,
            timeout=timeout,
            has_token=False,
        ) as client:
            answer = "SERVING" if client.is_serving(service) else "NOT_SERVING"
    except ServiceError as error:
        print(f"automl-ad: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(answer)
    raise typer.Exit(0 if answer == "SERVING" else 1)


def _print_models(listed: list[ModelInfo]) -> None:
    for model in listed:
        columns = ", ".join(
            f"{feature.name} ({feature.kind}{', may be missing' if feature.is_nullable else ''})"
            for feature in model.features
        )
        print(f"{model.name}  {model.version}\n  {columns}")
