"""The rates that the benchmarks noted, in one table below pytest-benchmark's own table of times."""

from __future__ import annotations


def pytest_terminal_summary(terminalreporter, config):
    noted = [
        (f"{key.replace('_per_second', '')} a second", value, one.name)
        for one in config._benchmarksession.benchmarks
        for key, value in one.extra_info.items()
        if key.endswith("_per_second")
    ]
    if noted:
        terminalreporter.section("rates")
        for unit, value, name in sorted(noted, key=lambda row: row[2]):
            terminalreporter.write_line(f"{value:>12,.1f} {unit:<20} {name}")
