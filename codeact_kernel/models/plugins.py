"""Backends of other packages: the entry point group `codeact_kernel.models`.

A package declares `NAME = "its.module:factory"` in that group; `factory(rest, config)` gets what stands behind the
colon of the setting `NAME:rest` and the settings, and returns a `models.base.Model`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from codeact_kernel.errors import CodeActError, ConfigError

if TYPE_CHECKING:
    from codeact_kernel.config import CodeAct
    from codeact_kernel.models.base import Model

GROUP = "codeact_kernel.models"
MEMBERS = ("id", "backend", "sees_images", "window", "describe", "stream", "close")


def found() -> dict[str, list[EntryPoint]]:
    """Return the backends that installed packages declare, by name; more than one entry is a conflict."""
    by_name: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        same = by_name.setdefault(entry.name, [])
        if entry.value not in {other.value for other in same}:
            same.append(entry)
    return by_name


def build(name: str, rest: str, config: CodeAct) -> Model:
    """Return the model that the backend `name` of another package makes of `rest`.

    Raises:
        ConfigError: two packages claim the name, it cannot be loaded, or what it makes is no model.
        CodeActError: what the backend itself says.
    """
    entries = found()[name]
    if len(entries) > 1:
        claimed = " and ".join(sorted(package_of(entry) for entry in entries))
        raise ConfigError(f"The backend {name!r} is claimed by {claimed}; uninstall one of them.")
    (entry,) = entries
    whose = f"The backend {name!r} of {package_of(entry)}"
    try:
        factory = entry.load()
    except Exception as error:
        raise ConfigError(f"{whose} cannot be loaded ({type(error).__name__}: {error}); reinstall it.") from error
    try:
        model: Model = factory(rest, config)
    except CodeActError:
        raise
    except Exception as error:
        raise ConfigError(f"{whose} cannot make {rest!r} a model ({type(error).__name__}: {error}).") from error
    missing = [member for member in MEMBERS if not hasattr(model, member)]
    if missing:
        raise ConfigError(
            f"{whose} made a {type(model).__name__} without {', '.join(missing)}, which is no model; "
            "see docs/models.md."
        )
    return model


def package_of(entry: EntryPoint) -> str:
    """Return the package that declares an entry point, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value
