"""docs/operations.md has every message of the construct and the function, and none that they do not have."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import aws_cdk as cdk

from cleanrooms_privacy_budget import AutoRefresh, OnBudgetReset, PrivacyBudget
from privacy_budget_handler.events import PrivacyBudgetEvent
from tests.support.synth import ACCESS_BUDGET, add, new_stack

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()

TOLD_TO_CDK_NAG = ROOT / "constructs/cleanrooms_privacy_budget/acknowledgements.py"
SOURCES = sorted({*ROOT.glob("constructs/**/*.py"), *ROOT.glob("lambda/**/*.py")} - {TOLD_TO_CDK_NAG})

ANYTHING = "…"


def same_for_all_values(text: str) -> str:
    """A message with a placeholder for each value in it, of which the page gives the names: ``<name>``."""
    text = re.sub(r"<[^<>]+>", ANYTHING, text)
    return " ".join(re.sub(f"{ANYTHING}+", ANYTHING, text).split())


def texts(source: str) -> Iterator[str]:
    """The texts of a module that a person may be shown: those with a word and a space, in whatever way they get there.

    Docstrings, annotations and patterns are not shown; members of enumerations only within other texts; descriptions are in AWS's console.
    """
    tree = ast.parse(source)
    hidden: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as docstring):
                hidden.add(docstring)
            case ast.JoinedStr(values=parts):
                hidden.update(part for part in parts if isinstance(part, ast.Constant))
            case ast.arg(annotation=ast.AST() as unseen) | ast.AnnAssign(annotation=unseen) | ast.FunctionDef(returns=ast.AST() as unseen):
                hidden.update(ast.walk(unseen))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr="compile")) | ast.keyword(arg="description" | "detail_type"):
                hidden.update(ast.walk(node))
            case ast.ClassDef(bases=bases) if any("Enum" in ast.unparse(base) for base in bases):
                hidden.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else ANYTHING for part in node.values)
        else:
            continue
        text = same_for_all_values(text)
        if " " in text and re.search(r"[a-z]{2}", text):
            yield text


def quoted(page: str) -> Iterator[str]:
    """The texts of the page: its ``text`` blocks, and the first column of the tables that are headed by "text"."""
    for block in re.findall(r"^```text\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        yield same_for_all_values(block)
    in_table = False
    for line in page.splitlines():
        in_table = line.startswith("| text |") or (in_table and line.startswith("|"))
        if in_table and (cell := re.match(r"\| `+ ?(.+?) ?`+ \|", line)):
            yield same_for_all_values(cell[1])


MESSAGES = sorted({text for source in SOURCES for text in texts(source.read_text())})
ENTRIES = sorted(quoted(PAGE))


def test_the_playbook_has_every_message() -> None:
    assert [message for message in MESSAGES if message not in ENTRIES] == []


def test_the_playbook_has_no_message_that_nothing_says() -> None:
    assert [entry for entry in ENTRIES if entry not in MESSAGES] == []


def test_the_playbook_has_each_message_once() -> None:
    assert [one for one, next_ in pairwise(ENTRIES) if one == next_] == []


def test_playbook_has_each_synth_warning() -> None:
    stack = new_stack(env=cdk.Environment(account="111122223333", region="sa-east-1"))
    monthly = PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh=AutoRefresh.CALENDAR_MONTH)
    add(stack, "A", budget=monthly, on_budget_reset=OnBudgetReset.ALLOW)
    add(stack, "B", budget=ACCESS_BUDGET, removal_policy=cdk.RemovalPolicy.DESTROY)
    messages = cdk.App.of(stack).synth().get_stack_by_name("Shop").messages  # type: ignore[union-attr]
    given = set(re.findall(r"\[ack: cleanrooms-privacy-budget:([a-z-]+)\]", " ".join(str(message.entry.data) for message in messages)))
    assert set(re.findall(r"^### `cleanrooms-privacy-budget:([a-z-]+)`$", PAGE, re.MULTILINE)) == given


def test_playbook_has_each_log_field() -> None:
    (log_record,) = ast.parse(textwrap.dedent(inspect.getsource(PrivacyBudgetEvent.log_record))).body
    written = {"message"}
    for node in ast.walk(log_record):
        if isinstance(node, ast.Dict):
            written |= {ast.literal_eval(key) for key in node.keys if key}
        elif isinstance(node, ast.keyword) and node.arg:
            written.add(node.arg)
    table = PAGE[PAGE.index("| field | value |") : PAGE.index("It holds no query")]
    fields = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    assert {name for field in fields for name in re.findall(r"\w+", field)} == written
