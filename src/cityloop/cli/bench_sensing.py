"""``cityloop bench sensing``: measure rates, delays, size and loss of the ingest path and its store."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="sensing")
@click.option("--row", "rows", multiple=True, metavar="ROW", help="A row to measure; may be repeated; all by default.")
@click.option("--list", "list_rows", is_flag=True, help="Name the rows and stop.")
@click.option(
    "--scale", type=click.FloatRange(min=0.001, max=1.0), default=1.0, show_default=True, help="Part of full size."
)
@click.option(
    "--seconds", type=click.FloatRange(min=1.0), default=60.0, show_default=True, help="How long rates are held."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything drawn by chance.")
@click.option(
    "--work", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where to work; a new folder in it."
)
@click.option(
    "--json", "json_out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Results file."
)
def command(
    rows: tuple[str, ...],
    list_rows: bool,
    scale: float,
    seconds: float,
    seed: int,
    work: Path | None,
    json_out: Path | None,
) -> None:
    """Measure the ingest path and the readings store, each row beside the number it is to reach.

    The storage row replicates real series and needs CITYLOOP_EVAL_DATA; postgresql needs its server's programs.

    \b
    Examples:
      cityloop bench sensing --row append --seconds 60
      cityloop bench sensing --row day --scale 0.25 --work /var/tmp --json day.json
      cityloop bench sensing --row kills --row power-cuts --scale 0.1
    """
    import tempfile

    from cityloop.studies.scorecard import write_json
    from cityloop.studies.sensing_rows import ROWS, Figure, RowSpec, measure_row

    if list_rows:
        for name in ROWS:
            click.echo(name)
        return
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(ROWS)}", param_hint="--row")
    figures: list[Figure] = []
    for row in rows or tuple(ROWS):
        with tempfile.TemporaryDirectory(prefix="cityloop-bench-", dir=work) as folder:
            spec = RowSpec(folder=Path(folder), scale=scale, seconds=seconds, seed=seed, say=_say)
            measured = measure_row(row, spec)
        for figure in measured:
            click.echo(_line(figure))
        figures += measured
    if json_out is not None:
        write_json(json_out, {"scale": scale, "seconds": seconds, "seed": seed, "figures": figures})


def _say(text: str) -> None:
    click.echo(text, err=True)


def _line(figure: object) -> str:
    from cityloop.studies.sensing_rows import Figure

    assert isinstance(figure, Figure)
    bound = "" if figure.bound is None else f" ({'at least' if figure.more_is_better else 'at most'} {figure.bound:g})"
    verdict = {None: "", True: "  reached", False: "  MISSED"}[figure.reached]
    return f"{figure.row}: {figure.what}: {figure.value:,.4g} {figure.unit}{bound}{verdict}\n    {figure.note}"
