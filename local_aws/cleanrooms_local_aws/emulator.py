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
    "app.app",
    "core.concurrency.run_offloop",
    "core.concurrency.run_reentrant",
    "core.iam_actions.identity_denial_message",
    "core.iam_actions.request_tag_context",
    "core.iam_evaluator.CredentialResolutionError",
    "core.iam_evaluator._resolve_condition_key",
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
    "services.cloudformation._stack_events",
    "services.cloudformation._stacks",
    "services.cloudformation.changesets._IMPORT_LOOKUPS",
    "services.cloudformation.changesets._diff_resources",
    "services.cloudformation.changesets._find_change_set",
    "services.cloudformation.changesets._resolve_props_for_diff",
    "services.cloudformation.custom_resource._normalise_resource_properties",
    "services.cloudformation.custom_resource.invoke_custom_resource",
    "services.cloudformation.engine.CfnLoader.construct_mapping",
    "services.cloudformation.engine._NO_VALUE",
    "services.cloudformation.engine._apply_transforms",
    "services.cloudformation.engine._construct_cfn_tag",
    "services.cloudformation.engine._evaluate_conditions",
    "services.cloudformation.engine._intrinsic_references",
    "services.cloudformation.engine._parse_template",
    "services.cloudformation.engine._resolve_dynamic_references",
    "services.cloudformation.engine._resolve_parameters",
    "services.cloudformation.engine._resolve_refs",
    "services.cloudformation.engine._topological_sort",
    "services.cloudformation.engine.validate_template_support",
    "services.cloudformation.handlers._ACTION_HANDLERS",
    "services.cloudformation.handlers._imported_export_names",
    "services.cloudformation.handlers._resolve_stack",
    "services.cloudformation.handlers._roll_back_operation",
    "services.cloudformation.handlers._stack_has_no_updates",
    "services.cloudformation.helpers._error",
    "services.cloudformation.helpers._p",
    "services.cloudformation.helpers._resolve_template",
    "services.cloudformation.provisioners._REPLACING_PROPERTIES",
    "services.cloudformation.provisioners._RESOURCE_HANDLERS",
    "services.cloudformation.provisioners._RETAIN_REPLACED",
    "services.cloudformation.provisioners._STACK_TAG_PROPERTY",
    "services.cloudformation.provisioners._check_nested_stack_capabilities",
    "services.cloudformation.provisioners._custom_named_replacement_error",
    "services.cloudformation.provisioners._delete_resource",
    "services.cloudformation.provisioners._inherited_capabilities",
    "services.cloudformation.provisioners._property_recreation",
    "services.cloudformation.provisioners._replace_resource",
    "services.cloudformation.provisioners._replacing_change",
    "services.cloudformation.provisioners._tag_map",
    "services.cloudformation.provisioners._update_resource",
    "services.cloudformation.stacks._add_event",
    "services.cloudformation.stacks._delete_resource",
    "services.cloudformation.stacks._delete_stack_async",
    "services.cloudformation.stacks._deploy_stack_async",
    "services.cloudformation.stacks._evaluate_conditions",
    "services.cloudformation.stacks._failed_operation",
    "services.cloudformation.stacks._replacing_change",
    "services.cloudformation.stacks._resolve_stack_outputs",
    "services.cloudformation.stacks._resource_policy",
    "services.cloudformation.stacks._revert_update",
    "services.cloudformation.stacks._roll_back_operation",
    "services.cloudformation.stacks._runs_on_worker_thread",
    "services.cloudformation.stacks._sends_back_failed_update",
    "services.cloudformation.stacks._stack_region_context",
    "services.cloudformation.stacks._topological_sort",
    "services.cloudformation.stacks.now_iso",
    "services.cloudtrail._DISPATCH",
    "services.eventbridge._put_events",
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
            f" The emulator's environment was changed; delete it, and the next start makes it anew: rm -r {sys.prefix}"
        )
    missing = [name for name in NAMES if not _has(load, name)]
    if missing:
        raise LocalAwsError(
            f"ministack {found} lacks {', '.join(missing)}, which the local AWS needs."
            f" The emulator's environment is damaged; delete it, and the next start makes it anew: rm -r {sys.prefix}"
        )


def _has(load: Callable[[str], Any], name: str) -> bool:
    """Whether a dotted name of modules, then attributes, exists."""
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
