"""Corrections of the emulator's CloudFormation, one module each.

Each replaces functions of the emulator by name; ``emulator.check_pins`` refuses another version of it.
"""

from . import (
    change_sets,
    conditions,
    create_only,
    current_stack,
    described_stacks,
    failed_stacks,
    known_values,
    nested_stacks,
    references,
    refusals,
    yaml_templates,
)


def install() -> None:
    """Close the gaps. Where two modules replace one function, the later one calls the earlier one's."""
    yaml_templates.install()
    references.install()
    conditions.install()
    known_values.install()
    refusals.install()
    create_only.install()
    change_sets.install()
    described_stacks.install()
    failed_stacks.install()
    nested_stacks.install()
    current_stack.install()
