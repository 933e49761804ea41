"""Pairs of templates: the second is planned on the first one's stack, then deployed, and the plan must have told the truth.

Whatever loses a consumed budget was said to, with exit status 3. Whatever loses nothing and was fully known had exit status 0.
"""

import io
import json
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from cleanrooms_local_aws import LocalAws
from privacy_budget_cli.arguments import add_account_arguments
from privacy_budget_cli.plan import command
from privacy_budget_cli.plan.prediction import Effect
from privacy_budget_cli.session import session
from tests.support.deployed_clean_rooms import new_membership, spent, table
from tests.support.plain_template import write_plain_template

BUCKET = "code-of-pairs"
PROVIDER = "/cleanrooms-privacy-budget/provider"
CONSUMED = 7
OTHER = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
EXPANDED = {"Transform": "AWS::LanguageExtensions"}
ALLOW: dict[str, Any] = {"OnBudgetReset": "ALLOW"}
ADOPT: dict[str, Any] = {"OnExisting": "ADOPT"}
KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
CONDITIONAL: dict[str, Any] = {"Condition": "On"}


SHARED: dict[str, Any] = {}
"""Clients, and the session of the plans: to make one takes longer than to plan."""


@dataclass
class Place:
    """Where one pair is deployed: a stack, two memberships, and what else it needs."""

    local_aws: LocalAws
    name: str
    folder: Path
    here: str = ""
    there: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    """Given at the first deployment."""
    given: dict[str, str] = field(default_factory=dict)
    """Given at the second one."""

    def __post_init__(self) -> None:
        self.clean_rooms = self.client("cleanrooms")
        self.cloudformation = self.client("cloudformation")
        self.here, self.there = new_membership(self.clean_rooms), new_membership(self.clean_rooms)

    def client(self, service: str) -> Any:
        """A client, of which all pairs share one."""
        if service not in SHARED:
            SHARED[service] = self.local_aws.client(service)
        return SHARED[service]

    def store(self, value: str, name: str = "membership") -> str:
        """Put a value into the parameter store, under a name of this place's own."""
        path = f"/pairs/{self.name}/{name}"
        self.client("ssm").put_parameter(Name=path, Value=value, Type="String", Overwrite=True)
        return path

    def provide(self, value: str, *, exported: bool = False) -> str:
        """Deploy a stack with a value as its output ``Value``, perhaps exported under its own name."""
        name = f"{self.name}-producer"
        output = {"Value": value, **({"Export": {"Name": name}} if exported else {})}
        self.deploy(template({}, Outputs={"Value": output}), {}, name)
        return name

    def put(self, body: Mapping[str, Any], name: str = "nested.template") -> str:
        """Put a nested template into the bucket, and give its URL."""
        key = f"{self.name}/{name}-{time.time_ns()}"
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(body).encode())
        return f"https://s3.us-east-1.amazonaws.com/{BUCKET}/{key}"

    def deploy(self, body: Mapping[str, Any] | str, parameters: Mapping[str, str], name: str = "") -> str:
        """Create or update the stack, and give the status that it settles in."""
        name = name or self.name
        text = body if isinstance(body, str) else json.dumps(body)
        request: dict[str, Any] = {
            "StackName": name,
            "TemplateBody": text,
            "Capabilities": ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        }
        try:
            existing = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Parameters"]
        except ClientError:
            self.cloudformation.create_stack(**request)
        else:
            declared = self.cloudformation.get_template_summary(TemplateBody=text)["Parameters"]
            kept = {one["ParameterKey"] for one in existing} & {one["ParameterKey"] for one in declared} - parameters.keys()
            request["Parameters"] += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
            try:
                self.cloudformation.update_stack(**request)
            except ClientError as error:
                return str(error)
        return self.settled(name)

    def settled(self, name: str) -> str:
        while (status := str(self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])).endswith("_IN_PROGRESS"):
            time.sleep(0.05)
        return status

    def plan(self, body: Mapping[str, Any] | str) -> tuple[int, list[dict[str, Any]]]:
        """The plan of a template for the stack: exit status and steps."""
        file = self.folder / "template"
        file.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
        parser = ArgumentParser()
        command.add_arguments(parser)
        add_account_arguments(parser)
        given = [f"{key}={value}" for key, value in self.given.items()]
        options = parser.parse_args([str(file), "--stack", self.name, "--json", *(("--parameters", *given) if given else ())])
        options.session = SHARED["session"]
        printed = io.StringIO()
        status = command.run(options, Console(file=printed, width=500))
        return status, json.loads(printed.getvalue())["templates"]

    def existing(self) -> dict[str, int]:
        """What is consumed of each template in the two memberships, by its id."""
        return {template["id"]: spent(self.clean_rooms, template) for template in self._templates()}

    def consume(self) -> None:
        for one in self._templates():
            counted = "COUNT" if one["privacyBudgetType"] == "DIFFERENTIAL_PRIVACY" else None
            self.local_aws.spend(one["membershipId"], one["id"], CONSUMED, counted)

    def _templates(self) -> list[dict[str, Any]]:
        """The summaries of the templates in the two memberships."""
        listed = [self.clean_rooms.list_privacy_budget_templates(membershipIdentifier=one) for one in (self.here, self.there)]
        return [summary for page in listed for summary in page["privacyBudgetTemplateSummaries"]]


def budget(membership: Any, *, native: bool = False, policies: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """A differential-privacy template, which is deleted with its stack unless the policies say otherwise."""
    provider = {} if native else {"ServiceToken": {"Ref": "Provider"}, "ServiceTimeout": 960}
    return {
        "Type": "AWS::CleanRooms::PrivacyBudgetTemplate" if native else "Custom::CleanRoomsPrivacyBudgetTemplate",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        **(policies or {}),
        "Properties": {
            **provider,
            "MembershipIdentifier": membership,
            "PrivacyBudgetType": "DIFFERENTIAL_PRIVACY",
            "AutoRefresh": "NONE",
            "Parameters": {"Epsilon": 10, "UsersNoisePerQuery": 30},
            **properties,
        },
    }


def access(membership: str, day: Any, **more: Any) -> dict[str, Any]:
    parameters = {"ResourceArn": table(membership), "BudgetParameters": [{"Type": "CALENDAR_DAY", "Budget": day, "AutoRefresh": "ENABLED"}]}
    return budget(membership, PrivacyBudgetType="ACCESS_BUDGET", Parameters=parameters, **more)


def epsilon(value: Any) -> dict[str, Any]:
    return {"Parameters": {"Epsilon": value, "UsersNoisePerQuery": 30}}


def template(resources: Mapping[str, Any], **sections: Any) -> dict[str, Any]:
    provider = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": PROVIDER}
    return {
        "Parameters": {"Provider": provider, **sections.pop("Parameters", {})},
        "Resources": {**resources, "Other": OTHER},
        **sections,
    }


def one(membership: Any, sections: Mapping[str, Any] | None = None, /, **options: Any) -> dict[str, Any]:
    """A template of one budget ``B``."""
    return template({"B": budget(membership, **options)}, **(sections or {}))


Body = Mapping[str, Any] | str
Between = Callable[[], object]


@dataclass(frozen=True)
class Pair:
    """What is deployed, what is planned and deployed then, and what the plan must say of each resource."""

    before: Body
    after: Body
    effects: Mapping[str, str]
    between: Between = lambda: None


PAIRS: dict[str, Callable[[Place], Pair]] = {}


def pair(function: Callable[[Place], Pair]) -> Callable[[Place], Pair]:
    PAIRS[function.__name__] = function
    return function


@dataclass(frozen=True)
class Value:
    """A way to write a membership's id: the expression, and the sections that it needs."""

    expression: Callable[[str], Any]
    sections: Callable[[str], dict[str, Any]] = lambda _: {}


MAPPED = {"Fn::FindInMap": ["Memberships", {"Ref": "AWS::Region"}, "Id"]}

VALUES: dict[str, Value] = {
    "join": Value(lambda id_: {"Fn::Join": ["-", id_.split("-")]}),
    "sub": Value(lambda id_: {"Fn::Sub": ["${Head}" + id_[8:], {"Head": id_[:8]}]}),
    "select": Value(lambda id_: {"Fn::Select": [1, ["nothing", id_]]}),
    "split": Value(lambda id_: {"Fn::Select": [1, {"Fn::Split": ["/", f"membership/{id_}"]}]}),
    "find_in_map": Value(lambda _: MAPPED, lambda id_: {"Mappings": {"Memberships": {"us-east-1": {"Id": id_}}}}),
    "find_in_map_default": Value(
        lambda id_: {"Fn::FindInMap": ["None", "of", "these", {"DefaultValue": id_}]},
        lambda _: {**EXPANDED, "Mappings": {"None": {"a": {"b": "c"}}}},
    ),
    "if": Value(
        lambda id_: {"Fn::If": ["Here", id_, {"Ref": "AWS::NoValue"}]},
        lambda _: {"Conditions": {"Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}}},
    ),
    "nested_conditions": Value(
        lambda id_: {"Fn::If": ["Both", id_, "wrong"]},
        lambda _: {
            "Conditions": {
                "Region": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
                "Account": {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "111122223333"]},
                "Both": {"Fn::And": [{"Condition": "Region"}, {"Fn::Not": [{"Fn::Not": [{"Condition": "Account"}]}]}]},
            }
        },
    ),
    "parameter_default": Value(
        lambda id_: {"Ref": f"M{id_[:8]}"}, lambda id_: {"Parameters": {f"M{id_[:8]}": {"Type": "String", "Default": id_}}}
    ),
    "json_and_length": Value(
        lambda id_: {"Fn::Select": [{"Fn::Length": ["x"]}, ["no", id_]]},
        lambda _: EXPANDED,
    ),
}
"""Every function that gives a text; the membership is written by it before and after."""


def by_value(name: str, *, moves: bool) -> Callable[[Place], Pair]:
    def made(place: Place) -> Pair:
        value = VALUES[name]

        def body(id_: str, **more: Any) -> dict[str, Any]:
            return one(value.expression(id_), value.sections(id_), **more)

        if moves:
            return Pair(body(place.here), body(place.there), {"B": "REPLACED"})
        return Pair(body(place.here), body(place.here, **epsilon(12)), {"B": "EDITED"})

    return made


for _name in VALUES:
    PAIRS[f"{_name}_of_another_membership"] = by_value(_name, moves=True)
    PAIRS[f"{_name}_of_the_same_membership"] = by_value(_name, moves=False)


@pair
def plan_ssm_value(place: Place) -> Pair:
    """The template stays as it is; the parameter that it reads gets another membership's id."""
    stored = place.store(place.here)
    body = one({"Ref": "Membership"}, {"Parameters": {"Membership": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": stored}}})
    return Pair(body, body, {"B": "REPLACED"}, lambda: place.store(place.there))


@pair
def plan_dynamic_reference(place: Place) -> Pair:
    body = one(f"{{{{resolve:ssm:{place.store(place.here)}}}}}")
    return Pair(body, body, {"B": "UNCHANGED"})


@pair
def dynamic_reference_that_changes(place: Place) -> Pair:
    """Its value is resolved anew only because something else changes."""
    body = one(f"{{{{resolve:ssm:{place.store(place.here)}}}}}")
    return Pair(body, {**body, "Description": "anew"}, {"B": "REPLACED"}, lambda: place.store(place.there))


@pair
def plan_foreach(place: Place) -> Pair:
    def body(*names: str) -> dict[str, Any]:
        loop = {"Fn::ForEach::Budgets": ["Each", list(names), {"B${Each}": budget(place.here)}]}
        return template(loop, **EXPANDED)

    return Pair(body("a"), body("a"), {"Ba": "UNCHANGED"})


@pair
def foreach_that_loses_one(place: Place) -> Pair:
    def body(*memberships: str) -> dict[str, Any]:
        loop = {"Fn::ForEach::Budgets": ["Each", list(memberships), {"B&{Each}": budget({"Ref": "Each"})}]}
        return template(loop, **EXPANDED)

    gone = "B" + place.there.replace("-", "")
    kept = "B" + place.here.replace("-", "")
    return Pair(body(place.here, place.there), body(place.here), {kept: "UNCHANGED", gone: "DELETED"})


@pair
def plan_native(place: Place) -> Pair:
    """The native type leaves while ours adopts its template: the cleanup deletes it all the same."""
    native = budget(place.here, native=True)
    before = {"Resources": {"N": {"Type": native["Type"], "Properties": native["Properties"]}}}
    return Pair(before, template({"Mine": budget(place.here, policies=KEPT, **ADOPT)}), {"Mine": "ADOPTED", "N": "DELETED"})


@pair
def native_to_ours_retained(place: Place) -> Pair:
    before = template({"N": budget(place.here, native=True, policies=KEPT)})
    return Pair(before, template({"Mine": budget(place.here, policies=KEPT, **ADOPT)}), {"Mine": "ADOPTED", "N": "KEPT"})


@pair
def native_that_is_replaced(place: Place) -> Pair:
    def body(refresh: str) -> dict[str, Any]:
        return template({"N": budget(place.here, native=True, AutoRefresh=refresh)})

    return Pair(body("NONE"), body("CALENDAR_MONTH"), {"N": "RECREATED"})


@pair
def native_that_moves(place: Place) -> Pair:
    return Pair(template({"N": budget(place.here, native=True)}), template({"N": budget(place.there, native=True)}), {"N": "REPLACED"})


@pair
def native_that_is_edited(place: Place) -> Pair:
    return Pair(
        template({"N": budget(place.here, native=True)}), template({"N": budget(place.here, native=True, **epsilon(12))}), {"N": "EDITED"}
    )


@pair
def native_access_budget_that_is_edited(place: Place) -> Pair:
    return Pair(
        template({"N": access(place.here, 100, native=True)}),
        template({"N": access(place.here, 200, native=True)}),
        {"N": "EDITED_WITH_RESET"},
    )


@pair
def native_that_only_gets_a_tag(place: Place) -> Pair:
    return Pair(
        template({"N": access(place.here, 100, native=True)}),
        template({"N": access(place.here, 100, native=True, Tags=[{"Key": "team", "Value": "data"}])}),
        {"N": "TAGGED"},
    )


@pair
def another_type_of_the_same_name(place: Place) -> Pair:
    return Pair(template({"B": budget(place.here, native=True)}), template({"B": budget(place.here, **ADOPT)}), {"": "REFUSED"})


@pair
def weak_reference_whose_producer_changed(place: Place) -> Pair:
    producer = place.provide(place.here)
    body = one({"Fn::GetStackOutput": {"StackName": producer, "OutputName": "Value"}})
    return Pair(body, body, {"B": "REPLACED"}, lambda: place.provide(place.there))


@pair
def import_of_an_export(place: Place) -> Pair:
    producer = place.provide(place.here, exported=True)
    return Pair(one({"Fn::ImportValue": producer}), one({"Fn::ImportValue": {"Fn::Sub": "${AWS::StackName}-producer"}}), {"B": "UNCHANGED"})


@pair
def import_of_another_membership(place: Place) -> Pair:
    producer = place.provide(place.there, exported=True)
    return Pair(one(place.here), one({"Fn::ImportValue": producer}), {"B": "REPLACED"})


@pair
def parameter_given_anew(place: Place) -> Pair:
    place.parameters, place.given = {"Membership": place.here}, {"Membership": place.there}
    body = one({"Ref": "Membership"}, {"Parameters": {"Membership": {"Type": "String"}}})
    return Pair(body, body, {"B": "REPLACED"})


@pair
def parameter_that_keeps_its_value(place: Place) -> Pair:
    """Its default changes, but the deployed value stays."""
    place.parameters = {"Membership": place.here}

    def body(default: str) -> dict[str, Any]:
        return one({"Ref": "Membership"}, {"Parameters": {"Membership": {"Type": "String", "Default": default}}})

    return Pair(body(place.here), body(place.there), {"B": "UNCHANGED"})


@pair
def another_provider_in_a_parameter(place: Place) -> Pair:
    body = one(place.here)
    body["Parameters"]["Provider"] = {"Type": "String"}
    arn = place.client("ssm").get_parameter(Name=PROVIDER)["Parameter"]["Value"]
    place.parameters, place.given = {"Provider": arn}, {"Provider": f"{arn}-another"}
    return Pair(body, body, {"B": "REFUSED"})


def yaml(place: Place, epsilon: int, policy: str = "Delete") -> str:
    return f"""# Zürich \u2013 Datenschutz
Parameters:
  Provider:
    Type: AWS::SSM::Parameter::Value<String>
    Default: {PROVIDER}
Resources:
  B:
    Type: Custom::CleanRoomsPrivacyBudgetTemplate
    DeletionPolicy: {policy}
    UpdateReplacePolicy: {policy}
    Properties:
      ServiceToken: !Ref Provider
      MembershipIdentifier: !Sub "{place.here}"
      PrivacyBudgetType: DIFFERENTIAL_PRIVACY
      Parameters: {{Epsilon: {epsilon}, UsersNoisePerQuery: 30}}
      Tags: [{{Key: office, Value: Zürich \u2013 Datenschutz}}]
  Other:
    Type: AWS::CloudFormation::WaitConditionHandle
"""


@pair
def yaml_that_raises_epsilon(place: Place) -> Pair:
    return Pair(yaml(place, 10), yaml(place, 12), {"B": "EDITED"})


@pair
def yaml_to_json_without_it(place: Place) -> Pair:
    return Pair(yaml(place, 10), template({}), {"B": "DELETED"})


def nested(place: Place, inner: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    given = {"Parameters": {"Membership": place.here, "Token": {"Ref": "Provider"}}, "TemplateURL": place.put(inner)}
    return template({"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": given, **more}})


def inner(**options: Any) -> dict[str, Any]:
    resource = budget({"Ref": "Membership"}, **options)
    resource["Properties"]["ServiceToken"] = {"Ref": "Token"}
    return {"Parameters": {"Membership": {"Type": "String"}, "Token": {"Type": "String"}}, "Resources": {"B": resource, "Other": OTHER}}


def without_budget() -> dict[str, Any]:
    return {**inner(), "Resources": {"Other": OTHER}}


@pair
def nested_stack_that_is_edited(place: Place) -> Pair:
    return Pair(nested(place, inner()), nested(place, inner(**epsilon(12))), {"B": "EDITED"})


@pair
def nested_stack_that_stays(place: Place) -> Pair:
    body = nested(place, inner())
    return Pair(body, {**body, "Description": "anew"}, {"B": "UNCHANGED"})


@pair
def nested_stack_whose_template_only_moves(place: Place) -> Pair:
    return Pair(nested(place, inner()), nested(place, inner()), {"B": "UNCHANGED"})


@pair
def nested_stack_of_whose_change_nothing_is_a_budgets(place: Place) -> Pair:
    return Pair(nested(place, inner()), nested(place, {**inner(), "Description": "anew"}), {"B": "UNCHANGED"})


@pair
def nested_stack_that_loses_its_budget(place: Place) -> Pair:
    return Pair(nested(place, inner()), nested(place, without_budget()), {"B": "DELETED"})


@pair
def nested_stack_of_another_membership(place: Place) -> Pair:
    before, after = nested(place, inner()), nested(place, inner())
    after["Resources"]["Inner"]["Properties"]["Parameters"]["Membership"] = place.there
    return Pair(before, after, {"B": "REPLACED"})


@pair
def nested_stack_that_leaves(place: Place) -> Pair:
    return Pair(nested(place, inner()), template({}), {"B": "DELETED"})


@pair
def nested_stack_that_leaves_a_kept_budget(place: Place) -> Pair:
    return Pair(nested(place, inner(policies=KEPT)), template({}), {"B": "KEPT"})


@pair
def renamed_with_adoption(place: Place) -> Pair:
    return Pair(
        template({"Old": budget(place.here, **ADOPT)}), template({"New": budget(place.here, **ADOPT)}), {"New": "ADOPTED", "Old": "LEFT"}
    )


@pair
def renamed_without_adoption(place: Place) -> Pair:
    return Pair(template({"Old": budget(place.here)}), template({"New": budget(place.here)}), {"New": "OCCUPIED", "Old": "DELETED"})


@pair
def moved_and_kept(place: Place) -> Pair:
    return Pair(one(place.here, policies=KEPT), one(place.there, policies=KEPT), {"B": "REPLACED"})


@pair
def moved_while_its_policy_becomes_retain(place: Place) -> Pair:
    return Pair(one(place.here), one(place.there, policies=KEPT), {"B": "REPLACED"})


@pair
def moved_while_its_policy_becomes_delete(place: Place) -> Pair:
    return Pair(one(place.here, policies=KEPT), one(place.there), {"B": "REPLACED"})


@pair
def native_that_is_retained_within_one_membership(place: Place) -> Pair:
    """The old one stays, so that there is no room for the new one."""

    def body(refresh: str) -> dict[str, Any]:
        return template({"N": budget(place.here, native=True, policies=KEPT, AutoRefresh=refresh)})

    return Pair(body("NONE"), body("CALENDAR_MONTH"), {"N": "OCCUPIED"})


@pair
def removal_that_deletes(place: Place) -> Pair:
    return Pair(one(place.here), template({}), {"B": "DELETED"})


@pair
def removal_without_a_policy(place: Place) -> Pair:
    body = one(place.here)
    del body["Resources"]["B"]["DeletionPolicy"]
    return Pair(body, template({}), {"B": "DELETED"})


@pair
def removal_that_retains(place: Place) -> Pair:
    return Pair(one(place.here, policies={"DeletionPolicy": "Retain"}), template({}), {"B": "KEPT"})


@pair
def removal_that_retains_except_on_create(place: Place) -> Pair:
    return Pair(one(place.here, policies=KEPT), template({}), {"B": "KEPT"})


@pair
def removal_after_the_policy_changes_in_the_same_deployment(place: Place) -> Pair:
    """Only the deployed policy counts."""
    return Pair(one(place.here), template({}, Metadata={"DeletionPolicy": "Retain"}), {"B": "DELETED"})


@pair
def policy_alone(place: Place) -> Pair:
    return Pair(one(place.here), one(place.here, policies=KEPT), {"B": "UNCHANGED"})


def conditional(place: Place, wanted: str) -> dict[str, Any]:
    on = {"On": {"Fn::Equals": [{"Fn::Select": [0, [{"Ref": "AWS::Partition"}]]}, wanted]}}
    return template({"B": {**budget(place.here), **CONDITIONAL}}, Conditions=on)


@pair
def condition_that_takes_it_out(place: Place) -> Pair:
    return Pair(conditional(place, "aws"), conditional(place, "nowhere"), {"B": "DELETED"})


@pair
def condition_that_stays_true(place: Place) -> Pair:
    return Pair(conditional(place, "aws"), {**conditional(place, "aws"), "Description": "anew"}, {"B": "UNCHANGED"})


@pair
def refresh_of_a_consumed_budget(place: Place) -> Pair:
    return Pair(one(place.here), one(place.here, AutoRefresh="CALENDAR_MONTH"), {"B": "REFUSED"})


@pair
def refresh_that_is_allowed(place: Place) -> Pair:
    return Pair(one(place.here), one(place.here, AutoRefresh="CALENDAR_MONTH", **ALLOW), {"B": "RECREATED"})


@pair
def limits_that_are_allowed(place: Place) -> Pair:
    return Pair(template({"B": access(place.here, 100)}), template({"B": access(place.here, 200, **ALLOW)}), {"B": "EDITED_WITH_RESET"})


@pair
def epsilon_that_is_lowered(place: Place) -> Pair:
    return Pair(one(place.here), one(place.here, **epsilon(5)), {"B": "REFUSED"})


@pair
def epsilon_that_is_lowered_on_purpose(place: Place) -> Pair:
    return Pair(one(place.here), one(place.here, **epsilon(5), **ALLOW), {"B": "RECREATED"})


@pair
def number_that_becomes_a_text(place: Place) -> Pair:
    return Pair(one(place.here, **epsilon(10)), one(place.here, **epsilon("10")), {"B": "TAGGED"})


@pair
def base64_in_a_tag(place: Place) -> Pair:
    def tagged(text: Any) -> dict[str, Any]:
        return one(place.here, Tags=[{"Key": "stack", "Value": {"Fn::Base64": text}}])

    return Pair(tagged("one"), tagged({"Ref": "AWS::StackName"}), {"B": "TAGGED"})


@pair
def value_known_after_the_deployment(place: Place) -> Pair:
    """The membership's id comes from a resource that the deployment creates."""
    stored = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": place.there}}
    after = template({"B": budget({"Fn::GetAtt": ["Stored", "Value"]}), "Stored": stored})
    return Pair(one(place.here), after, {"B": "UNKNOWN"})


@pair
def two_of_one_identity(place: Place) -> Pair:
    after = template({"B": budget(place.here), "Second": budget(place.here, **ADOPT)})
    return Pair(one(place.here), after, {"B": "UNCHANGED", "Second": "ADOPTED"})


@pair
def order_by_depends_on(place: Place) -> Pair:
    """``A`` is named first, but is created after ``Z``, which makes room for it nowhere: only one of both can be."""
    after = template({"A": {**budget(place.there), "DependsOn": "Z"}, "Z": budget(place.there), "B": budget(place.here)})
    return Pair(one(place.here), after, {"Z": "CREATED", "A": "OCCUPIED", "B": "UNCHANGED"})


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS of the pairs' own, which takes their stacks with it: to delete them takes as long as to deploy them."""
    started = LocalAws(tmp_path_factory.mktemp("pairs"))
    try:
        started.start()
        yield started
    finally:
        started.destroy()
        SHARED.clear()


@pytest.fixture(scope="module")
def provided(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> LocalAws:
    """The plain template's provider, deployed."""
    folder = write_plain_template(tmp_path_factory.mktemp("template")).parent
    s3, cloudformation = aws.client("s3"), aws.client("cloudformation")
    s3.create_bucket(Bucket=BUCKET)
    (code,) = folder.glob("*.zip")
    s3.put_object(Bucket=BUCKET, Key=code.name, Body=code.read_bytes())
    cloudformation.create_stack(
        StackName="provider",
        TemplateBody=(folder / "provider.yaml").read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": "CodeBucket", "ParameterValue": BUCKET}],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="provider", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    SHARED["session"] = session(None, None)
    return aws


@pytest.fixture
def place(provided: LocalAws, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in provided.environment.items():
        monkeypatch.setenv(name, value)
    return Place(provided, request.node.callspec.id.replace("_", "-"), tmp_path)


@pytest.mark.parametrize("made", PAIRS.values(), ids=PAIRS.keys())
def test_plan_tells_the_truth(place: Place, made: Callable[[Place], Pair]) -> None:
    the = made(place)
    assert place.deploy(the.before, place.parameters) == "CREATE_COMPLETE"
    place.consume()
    before = place.existing()
    assert set(before.values()) == {CONSUMED}
    the.between()

    status, steps = place.plan(the.after)
    assert {step["logicalId"]: step["effect"] for step in steps} == the.effects
    assert place.existing() == before, "a plan changes nothing"

    ended = place.deploy(the.after, place.given)
    after = place.existing()
    succeeded = ended == "UPDATE_COMPLETE" or "No updates are to be performed" in ended
    lost = sum(consumed - after.get(id_, 0) for id_, consumed in before.items())
    told = sum(one["consumed"] for step in steps for one in step["consumed"] if step["loses"])
    if lost:
        assert status == 3
        assert told == lost or "UNKNOWN" in the.effects.values()
    if not succeeded:
        assert status == 3
        assert lost == 0 or any(step["effect"] == "RECREATED" for step in steps)
    if succeeded and not lost and not any(step["conflict"] or Effect[step["effect"]].needs_review for step in steps):
        assert status == 0
    if succeeded and "UNKNOWN" not in the.effects.values():
        assert told == lost, "no false alarm"


def test_there_are_enough_pairs() -> None:
    assert len(PAIRS) >= 40
