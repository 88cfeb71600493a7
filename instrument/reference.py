"""The reference page of all plugs, their settings and parameters, out of their signatures: `python -m instrument.reference`."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_args

from instrument import catalog
from instrument.bend import MIX, OPS, Mask
from instrument.document import described
from instrument.master import Master
from instrument.parameters import Parameter, declared, settings
from instrument.plugs import SUPPLIED

HEAD = """# Plugs, settings, parameters

Made from the signatures by `python -m instrument.reference > docs/parameters.md`; do not edit it.

A **setting** is fixed when a patch is loaded and stands in the plug's table. A **parameter** can be moved while playing: its
address is `owner/parameter`, where the owner is `walk`, `generator`, `master`, or the name of the modulator or bend in the
patch.
"""


def page() -> str:
    """The whole page in Markdown."""
    parts = [
        HEAD,
        "## master\n",
        purpose(Master),
        table("parameter", map(parameter, declared(Master.__call__).values())),
    ]
    per_frame = {"inputs": None, "modulators": "step", "walks": "step", "generators": "render", "outputs": None}
    for kind, call in per_frame.items():
        parts.append(f"## {kind}\n")
        for name in catalog.plugs(kind):  # type: ignore[arg-type]
            plug = catalog.plug(kind, name)  # type: ignore[arg-type]
            parts += [f"### {name}\n", purpose(plug), setting_table(plug.__init__)]
            if call:
                parts.append(table("parameter", map(parameter, declared(getattr(plug, call)).values())))
    parts += [
        "## bends\n",
        f"Every bend has `mix` ({MIX.range}, {MIX.default:g}) besides, and may say `channels` and `mask`",
    ]
    parts[-1] += f" ({', '.join(get_args(Mask))}).\n"
    catalog.op("gain")
    for name, op in sorted(OPS.items()):
        parts += [f"### {name}\n", purpose(op.function), setting_table(op.function)]
        parts.append(table("parameter", map(parameter, op.parameters.values())))
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def purpose(thing: Callable[..., Any]) -> str:
    """The first paragraph of the docstring."""
    return inspect.cleandoc(thing.__doc__ or "").split("\n\n")[0].replace("\n", " ") + "\n"


def setting_table(function: Callable[..., Any]) -> str:
    rows = []
    for name, (kind, default) in settings(function, SUPPLIED).items():
        shown = "must be set" if default is inspect.Parameter.empty else f"`{default!r}`"
        rows.append((f"`{name}`", described(kind), shown))
    return table("setting", rows)


def parameter(item: Parameter) -> tuple[str, str, str]:
    curve = "" if item.range.curve == "linear" else f", {item.range.curve}"
    return f"`{item.name}`", f"{item.range}{curve}", f"{item.default:g}"


def table(kind: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """A Markdown table, or nothing without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {kind} | is | default |", "|---|---|---|", *lines, ""]) if lines else ""


if __name__ == "__main__":
    print(page(), end="")
