"""What CloudWatch takes: the embedded metric format in logs, and the bodies of dashboards, by their specifications.

Sources: "Specification: Embedded metric format" in the CloudWatch user guide, MetricDatum and "Dashboard Body Structure and Syntax" in
the CloudWatch API reference, and "CloudWatch service quotas".
"""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

Values = dict[tuple[str, ...], float]
"""What is published, by the metric's name and, each as ``Name=value``, its dimensions in the order of their names."""

UNITS: Final = {
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"),
    *(f"{size}{unit}{rate}" for size in ("", "Kilo", "Mega", "Giga", "Tera") for unit in ("bits", "bytes") for rate in ("", "/Second")),
}
DAY: Final = 86_400_000


def published(text: str, namespace: str) -> Values:
    """The metrics that CloudWatch finds among the lines of a log; each must be well-formed, and published once."""
    found: Values = {}
    for line in text.splitlines():
        if '"_aws"' in line:
            for metric, value in _metrics(json.loads(line), namespace):
                assert metric not in found, f"{metric} is published twice"
                found[metric] = value
    return found


def _metrics(document: Mapping[str, Any], namespace: str) -> Iterable[tuple[tuple[str, ...], float]]:
    assert document["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
    moment, now = document["_aws"]["Timestamp"], time.time() * 1000
    assert isinstance(moment, int)
    assert now - 14 * DAY < moment < now + DAY / 12
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
    assert directive["Namespace"] == namespace
    (dimensions,) = directive["Dimensions"]
    assert 0 < len(dimensions) <= 30
    assert 0 < len(directive["Metrics"]) <= 100
    named = {*dimensions, *(metric["Name"] for metric in directive["Metrics"]), "_aws"}
    assert document.keys() == named, "every target is at the root, and nothing else is"
    for dimension in dimensions:
        assert 1 <= len(dimension) <= 255
        assert isinstance(document[dimension], str)
        assert 1 <= len(document[dimension].strip()) <= 1024
        assert document[dimension].isascii()
    for metric in directive["Metrics"]:
        assert metric.keys() <= {"Name", "Unit", "StorageResolution"}
        assert 1 <= len(metric["Name"]) <= 255
        assert metric.get("Unit", "None") in UNITS
        value = document[metric["Name"]]
        (number,) = value if isinstance(value, list) else [value]
        assert isinstance(number, int | float)
        yield (metric["Name"], *(f"{name}={document[name]}" for name in sorted(dimensions))), number


def resolved(value: Any, attributes: Mapping[tuple[str, str], str]) -> Any:
    """A property as CloudFormation would hand it to the service, where these attributes of resources are known."""
    if isinstance(value, list):
        return [resolved(entry, attributes) for entry in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        return {key: resolved(entry, attributes) for key, entry in value.items()}
    ((function, argument),) = value.items()
    if function == "Ref":
        return argument
    if function == "Fn::GetAtt":
        return attributes[tuple(argument)]
    if function == "Fn::ImportValue":
        return attributes["import", argument]
    argument = resolved(argument, attributes)
    if function == "Fn::Join":
        return argument[0].join(argument[1])
    if function == "Fn::Split":
        return argument[1].split(argument[0])
    if function == "Fn::Select":
        return argument[1][int(argument[0])]
    return {function: argument}


def rows(body: str) -> list[list[Mapping[str, Any]]]:
    """The widgets of a dashboard, row by row, of a body that CloudWatch takes."""
    dashboard = json.loads(body)
    assert dashboard.keys() <= {"start", "end", "periodOverride", "widgets", "variables"}
    assert dashboard.get("periodOverride", "auto") in ("auto", "inherit")
    widgets = dashboard["widgets"]
    assert len(widgets) <= 500
    taken: set[tuple[int, int]] = set()
    by_row: dict[int, list[Mapping[str, Any]]] = {}
    for widget in widgets:
        assert widget.keys() == {"type", "x", "y", "width", "height", "properties"}
        assert widget["type"] == "metric"
        assert 0 <= widget["x"] <= 23
        assert 1 <= widget["width"] <= 24 - widget["x"]
        assert widget["y"] >= 0
        assert 1 <= widget["height"] <= 1000
        cells = {(widget["x"] + x, widget["y"] + y) for x in range(widget["width"]) for y in range(widget["height"])}
        assert taken.isdisjoint(cells), f"{widget['properties']['title']} overlaps another widget"
        taken |= cells
        by_row.setdefault(widget["y"], []).append(widget)
        _check_properties(widget["properties"])
    return [sorted(row, key=lambda widget: int(widget["x"])) for _, row in sorted(by_row.items())]


def _check_properties(properties: Mapping[str, Any]) -> None:
    assert properties.keys() <= {"view", "title", "region", "metrics", "annotations", "yAxis", "stacked", "legend", "period", "stat"}
    assert properties["view"] in ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
    assert properties["region"]
    assert 0 < len(properties["metrics"]) <= 500
    for metric in properties["metrics"]:
        _check_metric(metric)
    for side, axis in properties.get("yAxis", {}).items():
        assert side in ("left", "right")
        assert axis.keys() <= {"min", "max", "label", "showUnits"}
    for annotation in properties.get("annotations", {}).get("horizontal", []):
        assert annotation.keys() <= {"value", "label", "color", "fill", "visible", "yAxis"}
        assert isinstance(annotation["value"], int | float)


def _check_metric(metric: list[Any]) -> None:
    *path, options = metric if isinstance(metric[-1], dict) else [*metric, {}]
    assert options.get("period", 60) % 60 == 0
    if not path:
        assert options.keys() <= {"expression", "label", "id", "visible", "color", "yAxis", "region", "period"}
        assert 0 < len(options["expression"]) <= 1024
        return
    assert len(path) >= 2
    assert len(path) % 2 == 0, "namespace and name, then a name and a value of each dimension"
    assert all(isinstance(part, str) and part for part in path)
    assert options.keys() <= {"stat", "label", "id", "visible", "color", "yAxis", "region", "period", "accountId"}
