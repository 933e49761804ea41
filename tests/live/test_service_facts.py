"""The facts of docs/assumptions.md, asked of a real account: ``pytest -m live``."""

import pytest

from tests.support import service_facts
from tests.support.service_facts import Bench, Check

pytestmark = pytest.mark.live


@pytest.mark.parametrize("check", service_facts.CHECKS, ids=lambda check: check.__name__)
def test_fact(bench: Bench, check: Check) -> None:
    check(bench)


@pytest.mark.parametrize("check", service_facts.TABLE_CHECKS, ids=lambda check: check.__name__)
def test_fact_of_access_budgets(bench_with_table: Bench, check: Check) -> None:
    check(bench_with_table)


def test_handler_lifecycle(bench: Bench) -> None:
    service_facts.handler_lifecycle(bench)
