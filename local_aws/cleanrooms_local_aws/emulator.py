"""ministack, the emulator beneath: which version, and which of its inner names this package uses or replaces.

It has no types and reads its settings while it is imported, so its modules are asked for here, by name, once these are set.
"""

import importlib
import importlib.metadata
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
    "core.concurrency.run_reentrant",
    "core.iam_actions.identity_denial_message",
    "core.iam_actions.request_tag_context",
    "core.iam_evaluator.CredentialResolutionError",
    "core.iam_evaluator.caller_arn",
    "core.iam_evaluator.enforce",
    "core.iam_evaluator.resolve_credential",
    "core.lambda_runtime.Worker._spawn",
    "core.lambda_runtime.reset",
    "core.lambda_runtime.subprocess",
    "core.persistence._json_default",
    "core.persistence._state_format_version",
    "core.responses.get_account_id",
    "core.responses.get_region",
    "core.responses.get_request_client_ip",
    "core.responses.now_iso",
    "core.router.SERVICE_PATTERNS",
    "core.router.extract_access_key_id",
    "services.cloudformation._change_sets",
    "services.cloudformation._exports",
    "services.cloudformation._stacks",
    "services.cloudformation.changesets._IMPORT_LOOKUPS",
    "services.cloudformation.custom_resource._normalise_resource_properties",
    "services.cloudformation.custom_resource.invoke_custom_resource",
    "services.cloudformation.handlers._ACTION_HANDLERS",
    "services.cloudformation.handlers._resolve_stack",
    "services.cloudformation.handlers._roll_back_operation",
    "services.cloudformation.helpers._p",
    "services.cloudformation.provisioners._CONDITIONALLY_REPLACING_PROPERTIES",
    "services.cloudformation.provisioners._REPLACING_PROPERTIES",
    "services.cloudformation.provisioners._RESOURCE_HANDLERS",
    "services.cloudformation.provisioners._RETAIN_REPLACED",
    "services.cloudformation.provisioners._STACK_TAG_PROPERTY",
    "services.cloudformation.provisioners._delete_resource",
    "services.cloudformation.provisioners._nested_stack_lookup_name",
    "services.cloudformation.provisioners._replace_resource",
    "services.cloudformation.provisioners._replacing_change",
    "services.cloudformation.stacks._add_event",
    "services.cloudformation.stacks._evaluate_conditions",
    "services.cloudformation.stacks._replacing_change",
    "services.cloudformation.stacks._resolve_stack_outputs",
    "services.cloudformation.stacks._roll_back_operation",
    "services.cloudformation.stacks._runs_on_worker_thread",
    "services.cloudformation.stacks.now_iso",
    "services.cloudtrail._DISPATCH",
    "services.iam._roles",
    "services.iam._users",
    "services.lambda_svc._execution_record_for_config",
    "services.lambda_svc._get_func_record_for_ref",
    "services.lambda_svc.invoke_async_with_retry",
    "services.sts._sessions",
    "services.tagging._COLLECTORS",
    "services.tagging._REMOVERS",
    "services.tagging._ResourceNotFound",
    "services.tagging._WRITERS",
    "services.tagging._matches_type_filters",
    "services.tagging._normalise_flat",
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
            f" Install the one that it was tested with: pip install ministack=={PINNED_VERSION}"
        )
    missing = [name for name in NAMES if not _has(load, name)]
    if missing:
        raise LocalAwsError(
            f"ministack {found} lacks {', '.join(missing)}, which the local AWS needs."
            f" Its installation is damaged; repair it: pip install --force-reinstall ministack=={PINNED_VERSION}"
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
