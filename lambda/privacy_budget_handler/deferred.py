"""Imports put off until somebody uses them: for what a library imports and this function never needs."""

import importlib
import sys
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands in for a module, and imports it when it is first asked for anything."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def defer(name: str) -> None:
    """Have ``import name`` cost nothing until the module is used; nothing changes where it is imported already."""
    sys.modules.setdefault(name, _Deferred(name))
