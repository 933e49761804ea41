"""What this construct costs beside its peers, measured: ``python -m benchmarks``, or ``make bench``.

One module a benchmark, each with a ``run(quick)`` that gives its table and its samples. ``measure`` has what they share, ``peers`` what
they compare, ``page`` and ``chart`` what the documentation shows of them.
"""
