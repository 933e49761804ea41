"""The condition key aws:PrincipalArn, which the emulator takes for the ARN of a role's session.

Source: "AWS global condition context keys" in the IAM user guide: for an assumed role it is the ARN of the role.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from . import emulator

_SESSION: Final = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.*")


def install() -> None:
    """Have conditions compare with the ARN of the role."""
    evaluator, iam = emulator.module("core.iam_evaluator"), emulator.module("services.iam")
    resolve: Callable[[str, Any], Any] = evaluator._resolve_condition_key

    def resolve_principal_arn(key: str, context: Any) -> Any:
        value = resolve(key, context)
        session = _SESSION.fullmatch(str(value)) if key.lower() == "aws:principalarn" else None
        if session is None:
            return value
        role = iam._roles.get(session["role"]) or {}
        return role.get("Arn", f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}")

    evaluator._resolve_condition_key = resolve_principal_arn
