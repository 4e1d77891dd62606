"""Prints the benchmarks as a table of ratios: python -m tests.benchmarks"""

import click

from tests.benchmarks import memory, own_cost


@click.command()
@click.option("--scrapes", default=1000, show_default=True, help="Of the memory benchmark.")
def main(scrapes: int) -> None:
    """The exporter's own cost, on a recorded reply of 100 domains."""
    click.echo(f"{'what':<50} {'ms':>8} {'yardstick ms':>13} {'ratio':>8} {'limit':>8}")
    for ratio, limit in own_cost.measure():
        click.echo(
            f"{ratio.what:<50} {ratio.seconds * 1e3:>8.2f} {ratio.yardstick_seconds * 1e3:>13.2f} "
            f"{ratio.ratio:>8.3f} {limit:>8.3f}"
        )
    early, late = memory.measure(scrapes)
    click.echo(
        f"memory of the serving process: {early} KiB after {memory.EARLY} scrapes, {late} KiB after "
        f"{scrapes}: {late / early:.3f}, limit {memory.LIMIT}"
    )


if __name__ == "__main__":
    main()
