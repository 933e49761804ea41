"""Modules that libraries import and an ordinary event never uses: each is executed when it is first used.

The libraries stay as they are, and get the whole module where they use it. What every event uses is not deferred: Lambda gives a function
more of a processor while it starts than for its events.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

DEFERRED: Final[Mapping[str, tuple[str, ...]]] = {
    "aws_lambda_powertools.metrics": ("Metrics", "single_metric"),
    "aws_lambda_powertools.tracing": ("Tracer",),
    "aws_lambda_powertools.utilities.jmespath_utils": (),
    "boto3": (),  # crhelper: the clients of its polling
    "botocore.discovery": ("EndpointDiscoveryHandler", "EndpointDiscoveryManager", "block_endpoint_discovery_required_operations"),
    "botocore.docs": (),  # the documentation of each operation, for help()
    "botocore.docs.bcdoc.restdoc": ("DocumentStructure",),
    "botocore.docs.method": ("document_model_driven_method",),
    "botocore.docs.paginator": ("document_paginate_method",),
    "botocore.docs.waiter": ("document_wait_method",),
    "botocore.monitoring": (),
    "botocore.retries.adaptive": (),
    "botocore.retryhandler": (),
    "botocore.waiter": (),
    "calendar": (),  # botocore: times in requests
    "configparser": (),  # botocore: ~/.aws/config
    "dateutil.parser": ("parse",),  # botocore: times that are no numbers
    "email.header": (),  # headers that are not ASCII
    "getpass": ("getpass",),  # botocore: roles that ask for a token
    "gzip": ("GzipFile", "compress", "open"),  # botocore: compressed requests
    "importlib.metadata": ("version",),  # urllib3: HTTP/2
    "jmespath": (),  # botocore: paginators and waiters
    "mimetypes": (),  # urllib3: files in forms
    "subprocess": ("Popen",),  # botocore: credentials of a process
    "tempfile": (),  # botocore: tokens that it keeps
    "tokenize": (),  # inspect: sources
    "traceback": (),  # logging: exceptions
    "urllib.request": ("getproxies", "proxy_bypass"),  # botocore: where the environment names a proxy
    "xml.etree.ElementPath": (),  # searches in XML
}
"""Their names and, of each, the functions and classes that are imported from it: those are imported by their first call."""

ABSENT: Final = frozenset({"compression.zstd", "urllib3.contrib.pyopenssl"})
"""Modules that libraries try to import and do without: answers so compressed, which botocore never asks for; pyOpenSSL is not there."""

_LOCK: Final = threading.RLock()
_EXECUTING: Final[list[ModuleType]] = []


@contextmanager
def deferring() -> Iterator[None]:
    """Defer what is imported in this block, unless it is imported already."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for module in finder.deferred:
            _forget_names(module)


class _Finder:
    def __init__(self) -> None:
        self.deferred: list[ModuleType] = []

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname in ABSENT:
            raise ModuleNotFoundError(fullname, name=fullname)
        spec = PathFinder.find_spec(fullname, path, target) if fullname in DEFERRED else None
        if spec is not None and spec.loader is not None:
            spec.loader = cast("Loader", _Deferring(spec.loader, self.deferred))
        return spec


class _Deferring:
    """Makes a module without executing it."""

    def __init__(self, loader: "Loader", deferred: list[ModuleType]) -> None:
        self._loader = loader
        self._deferred = deferred

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        for name in DEFERRED[module.__name__]:
            setattr(module, name, _call(module, name))
        module.__class__ = _Deferred
        self._deferred.append(module)


class _Deferred(ModuleType):
    """A module that is executed when it is first asked for something that it does not have yet."""

    def __getattr__(self, name: str) -> Any:
        if name != "__path__":  # which each import asks for, and only packages have: from the beginning
            _execute(self)
        return ModuleType.__getattribute__(self, name)


def _call(module: ModuleType, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        _execute(module)
        return getattr(module, name)(*arguments, **named)

    return call


def _forget_names(module: ModuleType) -> None:
    """Whoever imports a class from now on may do more with it than to call it."""
    with _LOCK:
        if isinstance(module, _Deferred):
            for name in DEFERRED[module.__name__]:
                vars(module).pop(name, None)


def _execute(module: ModuleType) -> None:
    """Execute a deferred module, once. Another thread waits until that is done; an import in a circle gets the module as it is so far."""
    with _LOCK:
        is_due = isinstance(module, _Deferred) and module not in _EXECUTING
        if is_due and module.__spec__ is not None and module.__spec__.loader is not None:
            _EXECUTING.append(module)
            try:
                module.__spec__.loader.exec_module(module)
                module.__class__ = ModuleType
            finally:
                _EXECUTING.remove(module)
