"""Shows the figures as tables for a person, each with its target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.speed.measures import TARGETS

MIN_WIDTH = 132
"""Characters of the widest table. Used if there is no terminal or the terminal is narrower."""
BAR_WIDTH = 20
SERVERS = frozenset({"kafka", "elasticsearch"})


def print_all(results: dict[str, Any]) -> None:
    """Print every table that has figures."""
    console = Console()
    console.width = max(console.width, MIN_WIDTH)
    console.print(_conditions(results["conditions"]), highlight=False)
    if "stages" in results:
        console.print(milliseconds(results["stages"]), "")
    if "hostile" in results:
        console.print(hostile_texts(results["hostile"]), "")
    for run in results.get("pipeline", ()):
        console.print(processes(run), "")
        console.print(running_stages(run), "")
    if "feeds" in results:
        console.print(collector(results["feeds"]), "")
    if any(name in results for name in ("pipeline", "producer", "indexer")):
        console.print(against_targets(results), "")


def _conditions(conditions: dict[str, Any]) -> str:
    return (
        f"{conditions['articles']:,} articles of {conditions['mean_characters']:,} characters on average, made from "
        f"{conditions['made_from']}; {conditions['cpu']}, {conditions['cores']} cores, load "
        f"{conditions['load_average_at_start']}, Python {conditions['python']}, {conditions['date']}\n"
    )


def _table(title: str, left: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(left, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def hostile_texts(figures: list[dict[str, Any]]) -> Table:
    """Seconds on texts that are made to be slow: of all stages for each size, and of each stage for the largest."""
    sizes = sorted({figure["characters"] for figure in figures})
    stages = list(dict.fromkeys(stage for figure in figures for stage in figure["seconds"] if stage != "refused"))
    title = f"Seconds for texts that are made to be slow: all stages, and each stage at {sizes[-1]:,} characters"
    table = _table(title, "text", *(f"{size:,}" for size in sizes), *stages)
    for text in dict.fromkeys(figure["text"] for figure in figures):
        rows = {figure["characters"]: figure["seconds"] for figure in figures if figure["text"] == text}
        sums = [_seconds(_sum(rows.get(size))) for size in sizes]
        table.add_row(text, *sums, *(_seconds(rows.get(sizes[-1], {}).get(stage)) for stage in stages))
    return table


def _sum(seconds: dict[str, Any] | None) -> float | None:
    return None if seconds is None else sum(value for name, value in seconds.items() if name != "refused")


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f}"


def milliseconds(steps: Iterable[dict[str, Any]]) -> Table:
    """The milliseconds of one article by step. Values in brackets are not part of the sum."""
    known = list(steps)
    total = sum(step["cpu_seconds_per_1000"] for step in known if step["in_pipeline"])
    table = _table(
        "Where the milliseconds go (each step alone, warm; CPU ms an article = CPU s per 1,000)",
        "step",
        *("articles/s", "ms", "median", "p99", "last tenth", "CPU ms", "share", "peak MiB", "its own"),
    )
    table.add_column("")
    service = ""
    for step in known:
        if service and step["service"] != service:
            table.add_section()
        service = step["service"]
        table.add_row(*_step_cells(step, total))
    table.add_section()
    table.add_row("all steps", "", "", "", "", "", f"{total:.2f}", "100 %", "", "", style="bold")
    return table


def _step_cells(step: dict[str, Any], total: float) -> list[str]:
    cpu = step["cpu_seconds_per_1000"]
    share = cpu / total if total and step["in_pipeline"] else 0.0
    name = f"{step['service']} {step['step']}"
    return [
        name if step["in_pipeline"] else f"({name})",
        f"{step['articles_per_second']:,.0f}",
        *(f"{step[key]:.2f}" for key in ("ms", "median_ms", "p99_ms", "last_tenth_ms")),
        f"{cpu:.2f}",
        f"{share:.0%}".replace("%", " %") if step["in_pipeline"] else "",
        f"{step['peak_mib']:.0f}",
        f"{step['peak_mib'] - step['before_mib']:.0f}",
        "█" * round(share * BAR_WIDTH),
    ]


def processes(run: dict[str, Any]) -> Table:
    """The cost of each process in one run of the whole pipeline."""
    how = _with(run)
    table = _table(
        f"The whole pipeline {how}: {run['searchable']:,} of {run['articles']:,} articles searchable after "
        f"{run['seconds']:.1f} s ({run['articles_per_second']:,.1f}/s; cold start {run['cold_start_seconds']:.1f} s)",
        "process",
        *("CPU s", "CPU s per 1,000", "peak MiB", "wanted"),
    )
    for process in run["processes"]:
        free = process["process"] == "dedup" or process["process"] in SERVERS
        table.add_row(
            process["process"],
            f"{process['cpu_seconds']:.1f}",
            f"{process['cpu_seconds_per_1000']:.2f}",
            f"{process['peak_mib']:.0f}",
            "" if free else f"≤ {TARGETS.process_mib:.0f}",
        )
    table.add_section()
    table.add_row(
        "all",
        f"{sum(process['cpu_seconds'] for process in run['processes']):.1f}",
        f"{sum(process['cpu_seconds_per_1000'] for process in run['processes']):.2f}",
        f"{sum(process['peak_mib'] for process in run['processes']):.0f}",
        "",
        style="bold",
    )
    return table


def collector(run: dict[str, Any]) -> Table:
    """The collector on local feeds that are polled as fast as possible."""
    changed = f"{run['changed_share']:.0%}".replace("%", " %")
    title = (
        f"The collector: {run['feeds']:,} local feeds on {run['hosts']:,} hosts, {changed} of the polls with something "
        f"new, Kafka included; {run['seconds']:.0f} s"
    )
    table = _table(title, "what", *("measured", "wanted"))
    polls, memory = run["polls_per_second"], run["peak_mib"]
    table.add_row("polls a second", _coloured(f"{polls:,.0f}", good=polls >= TARGETS.polls), f"≥ {TARGETS.polls:,.0f}")
    good = memory <= TARGETS.collector_mib
    table.add_row("peak MiB", _coloured(f"{memory:,.0f}", good=good), f"≤ {TARGETS.collector_mib:,.0f}")
    for name, value in (
        ("cores", f"{run['cores']:.2f}"),
        ("entries a second", f"{run['entries_per_second']:,.0f}"),
        ("new articles a second", f"{run['articles_per_second']:,.0f}"),
        ("entries a second, first sweep (all new)", f"{run['first_sweep_entries_per_second']:,.0f}"),
        ("seconds of the first sweep, start included", f"{run['first_sweep_seconds']:,.1f}"),
        ("polls that failed", f"{run['failed']:,}"),
    ):
        table.add_row(name, value, "")
    return table


def _coloured(text: str, *, good: bool) -> str:
    return f"[{'green' if good else 'yellow'}]{text}[/]"


def running_stages(run: dict[str, Any]) -> Table:
    """Wall milliseconds per article, as measured by the services while everything ran."""
    table = _table(f"The same run's stages {_with(run)}, all at work at once", "stage", "ms an article")
    for name, milliseconds_each in run["stage_ms"].items():
        table.add_row(name, f"{milliseconds_each:.2f}")
    return table


def against_targets(results: dict[str, Any]) -> Table:
    """Articles per second compared with the targets, and the costs of each way of working."""
    table = _table("Articles a second", "what", "articles/s", "wanted", "CPU s per 1,000", "peak MiB", "articles")
    for run in results.get("pipeline", ()):
        wanted = TARGETS.pipeline_with_vectors if run["vectors"] else TARGETS.pipeline_without_vectors
        cpu = sum(process["cpu_seconds_per_1000"] for process in run["processes"])
        peak = max(process["peak_mib"] for process in run["processes"] if process["process"] not in SERVERS)
        table.add_row(*_target_cells(f"whole pipeline {_with(run)}", run, wanted, cpu, peak))
    if "producer" in results:
        run = results["producer"]
        cells = _target_cells("producer alone", run, TARGETS.producer, run["cpu_seconds_per_1000"], run["peak_mib"])
        table.add_row(*cells)
    for run in results.get("indexer", ()):
        name = f"indexer alone {_with(run)}"
        cells = _target_cells(name, run, TARGETS.indexer, run["cpu_seconds_per_1000"], run["peak_mib"])
        table.add_row(*cells)
    return table


def _target_cells(name: str, run: dict[str, Any], wanted: float, cpu: float, peak: float) -> list[str]:
    speed = run["articles_per_second"]
    colour = "green" if speed >= wanted else "yellow"
    return [
        name,
        f"[{colour}]{speed:,.1f}[/]",
        f"≥ {wanted:,.0f}",
        f"{cpu:.2f}",
        f"{peak:.0f}",
        f"{run['articles']:,}",
    ]


def _with(run: dict[str, Any]) -> str:
    return "with vectors" if run["vectors"] else "without vectors"
