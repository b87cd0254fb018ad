"""``kce list world`` and ``kce show world``: parse, call, print."""

from __future__ import annotations

from kce.cli.console import print_json, print_line, print_table


def list_worlds(as_json: bool) -> None:
    """What ``kce list world`` prints."""
    from kce.bench import world_list

    rows = world_list.list_worlds()
    if as_json:
        return print_json(rows)
    print_table(
        ["world", "version", "what makes it hard", "parameters"],
        [[row["name"], row["version"], row["hard"], _shown(row["parameters"])] for row in rows],
        prose=["what makes it hard", "parameters"],
    )
    print_line("`kce show world NAME` has all parameters with their ranges; NAME:key=value changes them")
    return None


def show_world(name: str, as_json: bool) -> None:
    """What ``kce show world NAME`` prints."""
    from kce.bench import world_list

    world = world_list.describe_world(name)
    if as_json:
        return print_json(world)
    print_line(f"world {world['name']}  (what makes it hard: {world['hard']})\n")
    print_table(
        ["parameter", "type", "value", "from", "range", "meaning"],
        [
            [
                one["name"],
                one["type"],
                repr(one["value"]),
                one["from"],
                f"{one['range'][0]:,} to {one['range'][1]:,}" if one["range"] else "-",
                one["doc"],
            ]
            for one in world["parameters"]
        ],
        prose=["meaning"],
    )
    return None


def _shown(parameters: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items())
