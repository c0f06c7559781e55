"""Classes of commands that show flags without a type and accept old names of options."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group"]

# Earlier names of options, by command; "" is every command.
_BEFORE: dict[str, dict[str, str]] = {
    "": {"--n-neighbors": "--neighbors", "--output": "--out"},
    "compare": {"--train": "--train-images", "--test": "--test-images"},
    "curve": {"--train": "--train-images"},
    "embedding": {"--sample": "--train-images", "--train": "--train-images"},
}


def _renamed(command: str | None, args: list[str]) -> list[str]:
    """The arguments with today's names of options."""
    names = _BEFORE[""] | _BEFORE.get(command or "", {})
    split = [arg.partition("=") for arg in args]
    return [names.get(name, name) + equals + value for name, equals, value in split]


def _without_types(parameters: list[Any]) -> list[Any]:
    """Show a flag as a flag in --help, and not as an option that takes a word."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class Command(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _renamed(self.name, args))


class Group(TyperGroup):
    """A group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))
