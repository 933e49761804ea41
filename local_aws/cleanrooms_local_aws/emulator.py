"""ministack, the emulator beneath: which version, and which of its inner names this package uses or replaces.

It has no types and reads its settings while it is imported, so its modules are asked for here, by name, once these are set.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Callable
from typing import Any, Final

from .errors import LocalAwsError

PINNED_VERSION: Final = "1.5.33"

NAMES: Final = (
    "app.SERVICE_HANDLERS",
    "app._build_persistence_save_dict",
    "app._get_module",
    "app.app",
    "core.concurrency.run_offloop",
    "core.iam_actions.identity_denial_message",
    "core.iam_actions.request_tag_context",
    "core.iam_evaluator.enforce",
    "core.lambda_runtime.Worker._spawn",
    "core.lambda_runtime.reset",
    "core.lambda_runtime.subprocess",
    "core.persistence._json_default",
    "core.persistence._state_format_version",
    "core.responses.get_account_id",
    "core.responses.get_region",
    "core.responses.now_iso",
    "core.router.SERVICE_PATTERNS",
    "core.router.extract_access_key_id",
    "services.cloudformation._stacks",
    "services.cloudformation.custom_resource._normalise_resource_properties",
    "services.cloudformation.custom_resource.invoke_custom_resource",
    "services.cloudformation.handlers._roll_back_operation",
    "services.cloudformation.provisioners._RESOURCE_HANDLERS",
    "services.cloudformation.provisioners._nested_stack_lookup_name",
    "services.cloudformation.stacks._add_event",
    "services.cloudformation.stacks._roll_back_operation",
    "services.cloudformation.stacks.now_iso",
    "services.iam._roles",
    "services.lambda_svc._execution_record_for_config",
    "services.lambda_svc._get_func_record_for_ref",
    "services.lambda_svc.invoke_async_with_retry",
)
"""All that is used or replaced, below the package ``ministack``."""


def module(name: str) -> Any:
    """Import one of the emulator's modules, named below the package."""
    return importlib.import_module(f"ministack.{name}")


def check_pins(version: Callable[[str], str] = importlib.metadata.version, load: Callable[[str], Any] = module) -> None:
    """Check that the emulator is the version that this package was written for. Raises LocalAwsError."""
    found = version("ministack")
    if found != PINNED_VERSION:
        raise LocalAwsError(
            f"The local AWS needs ministack {PINNED_VERSION}, got {found}."
            f" The emulator's environment was changed; delete it, and the next start makes it anew: rm -r {sys.prefix}"
        )
    missing = [name for name in NAMES if not _has(load, name)]
    if missing:
        raise LocalAwsError(
            f"ministack {found} lacks {', '.join(missing)}, which the local AWS needs."
            f" The emulator's environment is damaged; delete it, and the next start makes it anew: rm -r {sys.prefix}"
        )


def _has(load: Callable[[str], Any], name: str) -> bool:
    """Whether a dotted name leads, through modules and then attributes, to something."""
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        try:
            found = load(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[split:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False
