"""As much of Lambda's Python runtime as a benchmark needs: ``runtime.py ASSET HANDLER DESCRIPTOR``.

It imports the handler, then handles the events that it reads from its standard input, one a line. After the import and after each event
it writes to the descriptor how much processor time the process has used so far, in seconds, or what went wrong.
"""

import importlib
import json
import os
import sys
import time


class Context:
    """An invocation's context, with five minutes left."""

    aws_request_id = "11111111-2222-4333-8444-555555555555"
    function_name = "provider"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:provider"
    log_group_name = "/aws/lambda/provider"
    log_stream_name = "stream"
    memory_limit_in_mb = "512"

    def get_remaining_time_in_millis(self) -> int:
        """How much time is left, in milliseconds."""
        return 300_000


def report(trouble: str = "") -> None:
    """Tell how far the process is."""
    os.write(int(sys.argv[3]), json.dumps({"processor": time.process_time(), "trouble": trouble}).encode() + b"\n")


sys.path.insert(0, sys.argv[1])
module, _, name = sys.argv[2].rpartition(".")
handler = getattr(importlib.import_module(module), name)
report()
for line in sys.stdin:
    try:
        handler(json.loads(line), Context())
        report()
    except Exception as error:
        report(repr(error))
