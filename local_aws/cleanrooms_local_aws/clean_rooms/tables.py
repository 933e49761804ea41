"""Configured tables' associations and the analysis rules of both, which moto does not have.

Requests come here checked by ``request_validation``. Nothing is queried here, so a rule is kept and answered as it was given.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

from moto.cleanrooms.models import ConfiguredTable
from moto.moto_api._internal import mock_random

from .exceptions import ConflictException, ResourceNotFoundException
from .templates import Membership


@dataclass
class AnalysisRule:
    """The permitted uses of a table or an association; ``policy`` is as the service answers it."""

    type: str
    policy: dict[str, Any]
    create_time: float
    update_time: float


@dataclass
class TableAssociation:
    """A configured table in a membership; ``number`` counts the creates."""

    id: str
    number: int
    arn: str
    membership: Membership
    configured_table_id: str
    configured_table_arn: str
    name: str
    description: str | None
    role_arn: str
    create_time: float
    update_time: float
    rule: AnalysisRule | None = None


class Tables:
    """The associations and analysis rules of one account in one region.

    ``membership`` and ``table`` find a membership and a configured table by their ids, ``clock`` tells epoch seconds.
    """

    def __init__(
        self,
        account_id: str,
        region: str,
        membership: Callable[[str], Membership | None],
        table: Callable[[str], ConfiguredTable | None],
        clock: Callable[[], float],
    ) -> None:
        self._prefix = f"arn:aws:cleanrooms:{region}:{account_id}"
        self._membership = membership
        self._table = table
        self._clock = clock
        self._associations: dict[str, TableAssociation] = {}
        self._rules: dict[str, AnalysisRule] = {}
        self._created = 0

    def associate(self, membership_id: str, table_id: str, name: str, role_arn: str, description: str | None) -> TableAssociation:
        """Associate a configured table with a membership, under a name of its own."""
        membership, table = self._known_membership(membership_id), self.table(table_id)
        for association in self.of_membership(membership_id):
            if association.name == name:
                raise ConflictException(
                    f"name must be unique in membership {membership_id}, got {name!r}, which {association.id} has",
                    "ALREADY_EXISTS",
                    resourceId=association.id,
                    resourceType="CONFIGURED_TABLE_ASSOCIATION",
                )
        now = self._clock()
        self._created += 1
        id_ = str(mock_random.uuid4())
        association = TableAssociation(
            id=id_,
            number=self._created,
            arn=f"{self._prefix}:membership/{membership.id}/configuredtableassociation/{id_}",
            membership=membership,
            configured_table_id=table.id,
            configured_table_arn=table.arn,
            name=name,
            description=description,
            role_arn=role_arn,
            create_time=now,
            update_time=now,
        )
        self._associations[id_] = association
        return association

    def association(self, membership_id: str, association_id: str) -> TableAssociation:
        """Find an association by its id, under its membership."""
        self._known_membership(membership_id)
        association = self._associations.get(association_id)
        if association is None or association.membership.id != membership_id:
            raise ResourceNotFoundException(
                f"configuredTableAssociationIdentifier must name an association of membership {membership_id}, got {association_id!r}",
                association_id,
                "CONFIGURED_TABLE_ASSOCIATION",
            )
        return association

    def update_association(
        self, membership_id: str, association_id: str, role_arn: str | None, description: str | None
    ) -> TableAssociation:
        """Change an association's role and description; what is None stays."""
        association = self.association(membership_id, association_id)
        association.role_arn = role_arn if role_arn is not None else association.role_arn
        association.description = description if description is not None else association.description
        association.update_time = self._clock()
        return association

    def delete_association(self, membership_id: str, association_id: str) -> TableAssociation:
        """Delete an association and its rule, and give what it was."""
        return self._associations.pop(self.association(membership_id, association_id).id)

    def of_membership(self, membership_id: str) -> list[TableAssociation]:
        """List a membership's associations, in the order of their creation."""
        self._known_membership(membership_id)
        return [association for association in self._associations.values() if association.membership.id == membership_id]

    def of_table(self, table_id: str) -> list[TableAssociation]:
        """List a configured table's associations, in the order of their creation."""
        return [association for association in self._associations.values() if association.configured_table_id == table_id]

    def all_associations(self) -> list[TableAssociation]:
        """List every association, in the order of their creation."""
        return list(self._associations.values())

    def has(self, association_arn: str) -> bool:
        """Whether an ARN is that of an association."""
        return any(association.arn == association_arn for association in self._associations.values())

    def table(self, table_id: str) -> ConfiguredTable:
        """Find a configured table by its id."""
        table = self._table(table_id)
        if table is None:
            raise ResourceNotFoundException(
                f"configuredTableIdentifier must name a configured table, got {table_id!r}", table_id, "CONFIGURED_TABLE"
            )
        return table

    def create_table_rule(self, table_id: str, type_: str, policy: Mapping[str, Any]) -> AnalysisRule:
        """Add to a configured table its one analysis rule."""
        table = self.table(table_id)
        _refuse_second(self._rules.get(table_id), table_id, "CONFIGURED_TABLE")
        rule = self._rules[table_id] = self._new_rule(type_, policy)
        table.analysis_rule_types = [type_]
        return rule

    def table_rule(self, table_id: str, type_: str) -> AnalysisRule:
        """Find a configured table's rule."""
        return _of_type(self._rules.get(self.table(table_id).id), type_, table_id, "CONFIGURED_TABLE")

    def delete_table_rule(self, table_id: str, type_: str) -> None:
        """Delete a configured table's rule."""
        self.table_rule(table_id, type_)
        del self._rules[table_id]
        self.table(table_id).analysis_rule_types = []

    def forget_table(self, table_id: str) -> None:
        """Forget the rule of a configured table that is deleted."""
        self._rules.pop(table_id, None)

    def create_association_rule(self, membership_id: str, association_id: str, type_: str, policy: Mapping[str, Any]) -> AnalysisRule:
        """Add to an association its one analysis rule."""
        association = self.association(membership_id, association_id)
        _refuse_second(association.rule, association_id, "CONFIGURED_TABLE_ASSOCIATION")
        rule = association.rule = self._new_rule(type_, policy)
        return rule

    def association_rule(self, membership_id: str, association_id: str, type_: str) -> AnalysisRule:
        """Find an association's rule."""
        rule = self.association(membership_id, association_id).rule
        return _of_type(rule, type_, association_id, "CONFIGURED_TABLE_ASSOCIATION")

    def delete_association_rule(self, membership_id: str, association_id: str, type_: str) -> None:
        """Delete an association's rule."""
        self.association_rule(membership_id, association_id, type_)
        self.association(membership_id, association_id).rule = None

    def change_rule(self, rule: AnalysisRule, policy: Mapping[str, Any]) -> AnalysisRule:
        """Replace a rule's policy."""
        rule.policy, rule.update_time = deepcopy(dict(policy)), self._clock()
        return rule

    def to_json(self) -> dict[str, Any]:
        """All that must outlive the process."""
        return {
            "created": self._created,
            "associations": [asdict(association) for association in self._associations.values()],
            "rules": {table_id: asdict(rule) for table_id, rule in self._rules.items()},
        }

    def load_json(self, state: Mapping[str, Any]) -> None:
        """Replace everything by what ``to_json`` gave."""
        self._created = state["created"]
        self._associations = {entry["id"]: _association(entry) for entry in state["associations"]}
        self._rules = {table_id: AnalysisRule(**rule) for table_id, rule in state["rules"].items()}

    def _new_rule(self, type_: str, policy: Mapping[str, Any]) -> AnalysisRule:
        now = self._clock()
        return AnalysisRule(type_, deepcopy(dict(policy)), now, now)

    def _known_membership(self, membership_id: str) -> Membership:
        membership = self._membership(membership_id)
        if membership is None:
            raise ResourceNotFoundException(
                f"membershipIdentifier must name a membership, got {membership_id!r}", membership_id, "MEMBERSHIP"
            )
        return membership


def _association(entry: Mapping[str, Any]) -> TableAssociation:
    rule = entry["rule"] and AnalysisRule(**entry["rule"])
    return TableAssociation(**{**entry, "membership": Membership(**entry["membership"]), "rule": rule})


def _refuse_second(rule: AnalysisRule | None, resource_id: str, resource_type: str) -> None:
    if rule is not None:
        raise ConflictException(
            f"{resource_id} must have at most one analysis rule, got one more beside {rule.type}",
            "ALREADY_EXISTS",
            resourceId=resource_id,
            resourceType=resource_type,
        )


def _of_type(rule: AnalysisRule | None, type_: str, resource_id: str, resource_type: str) -> AnalysisRule:
    if rule is None or rule.type != type_:
        raise ResourceNotFoundException(
            f"analysisRuleType must be that of an analysis rule of {resource_id}, got {type_}", resource_id, resource_type
        )
    return rule
