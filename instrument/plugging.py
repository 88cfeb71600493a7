"""Plugging in: what a patch names becomes a plug, its settings checked; what the machine lacks is left out, and said."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from instrument import catalog
from instrument.document import located, settled
from instrument.patch import Plugged
from instrument.plugs import SUPPLIED, Unavailable

log = logging.getLogger("phosphene")

Checked = tuple[Plugged, Any, dict[str, Any]]  # a plug as it is named, its class, its settings


def plug_class(kind: catalog.Kind, item: Plugged) -> Checked:
    """A plug's class and its settings, checked. What an input or output lacks is Unavailable: the show is one without it."""
    with located(item.where, optional(kind)):
        found = catalog.plug(kind, item.plug)
    return item, found, settled(item.where, found.__init__, item.settings)


def checked_plugs(kind: catalog.Kind, items: Mapping[str, Plugged]) -> dict[str, Checked]:
    """The classes and settings of inputs or outputs; those whose file cannot do without what is missing are named."""
    found = {}
    for name, item in items.items():
        try:
            found[name] = plug_class(kind, item)
        except Unavailable as missing:
            log.warning("%s", missing)
    return found


def optional(kind: catalog.Kind) -> tuple[type[Exception], ...]:
    """What passes: a show goes on without an input or output, and without nothing else."""
    return (Unavailable,) if kind in ("inputs", "outputs") else ()


def built(kind: catalog.Kind, item: Plugged, supplied: Mapping[str, Any], *arguments: Any) -> Any:
    """A plug, constructed."""
    return constructed(kind, plug_class(kind, item), supplied, *arguments)


def constructed(kind: catalog.Kind, checked: Checked, supplied: Mapping[str, Any], *arguments: Any) -> Any:
    item, found, settings = checked
    wanted = inspect.signature(found.__init__).parameters
    given = {name: value for name, value in supplied.items() if name in wanted and name in SUPPLIED}
    with located(item.where, optional(kind)):
        return found(*arguments, **given, **settings)


def opened(kind: catalog.Kind, items: Mapping[str, Checked], supplied: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs or outputs that this machine can have; the others are named in one line each."""
    found: dict[str, Any] = {}
    for name, item in items.items():
        try:
            found[name] = constructed(kind, item, supplied)
        except Unavailable as missing:
            log.warning("%s", missing)
        except BaseException:
            for source in found.values():
                source.close()
            raise
    return found
