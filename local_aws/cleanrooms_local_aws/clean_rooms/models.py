"""moto's Clean Rooms backend with what it lacks; moto finds ``urls`` by this module's name, which must stay ``models``."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from moto.cleanrooms.models import CleanRoomsBackend, cleanrooms_backends
from moto.core.resource_tagging import TaggedResource

from . import arns
from .attributes import Attributes
from .exceptions import ConflictException, ResourceNotFoundException
from .ledger import Ledger
from .quota import Quota
from .settings import Settings
from .tables import TableAssociation, Tables
from .templates import Membership, Template

LOCK: Final = threading.RLock()
"""Held by every operation while it reads or changes a backend; it is not a backend's own, as moto makes those anew on a reset."""


class PrivacyBudgetBackend(CleanRoomsBackend):
    """One account's Clean Rooms in one region."""

    settings: ClassVar[Settings] = Settings()

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.ledger = Ledger(account_id, region_name, self._membership, self.settings.clock, self.settings.arn_form)
        self.tables = Tables(account_id, region_name, self._membership, self.configured_tables.get, self.settings.clock)
        self.attributes = Attributes()
        self.quota = Quota(self.settings.requests_per_second, self.settings.clock)

    def collaboration_templates(self, collaboration_identifier: str) -> list[Template]:
        """List this account's templates in a collaboration that it created; moto shows it no other."""
        if collaboration_identifier not in self.collaborations:
            raise ResourceNotFoundException(
                f"collaborationIdentifier must name a collaboration that account {self.account_id} created in {self.region_name},"
                f" got {collaboration_identifier!r}",
                collaboration_identifier,
                "COLLABORATION",
            )
        return self.ledger.of_collaboration(collaboration_identifier)

    def collaboration_template(self, collaboration_identifier: str, template_identifier: str) -> Template:
        """Find one of these."""
        for template in self.collaboration_templates(collaboration_identifier):
            if template.id == template_identifier:
                return template
        raise ResourceNotFoundException(
            f"privacyBudgetTemplateIdentifier must name a template in collaboration {collaboration_identifier},"
            f" got {template_identifier!r}",
            template_identifier,
            "COLLABORATION",
        )

    def delete_membership(self, membership_identifier: str) -> None:
        """Delete a membership under which there is neither a template nor an association."""
        membership = self.get_membership(membership_identifier)
        _refuse_parent_of(self.ledger.of_membership(membership.id), "privacy budget templates", "MEMBERSHIP", membership.id)
        _refuse_parent_of(self.tables.of_membership(membership.id), "configured table associations", "MEMBERSHIP", membership.id)
        super().delete_membership(membership_identifier)
        self.attributes.forget(membership.arn)

    def delete_collaboration(self, collaboration_identifier: str) -> None:
        """Delete a collaboration in which this account has no template."""
        collaboration = self.get_collaboration(collaboration_identifier)
        templates = self.ledger.of_collaboration(collaboration.id)
        _refuse_parent_of(templates, "privacy budget templates", "COLLABORATION", collaboration.id)
        super().delete_collaboration(collaboration_identifier)
        self.attributes.forget(collaboration.arn)

    def delete_configured_table(self, configured_table_identifier: str) -> None:
        """Delete a configured table that has no association."""
        table = self.get_configured_table(configured_table_identifier)
        _refuse_parent_of(self.tables.of_table(table.id), "associations", "CONFIGURED_TABLE", table.id)
        super().delete_configured_table(configured_table_identifier)
        self.tables.forget_table(table.id)
        self.attributes.forget(table.arn)

    def list_tags_for_resource(self, resource_arn: str) -> dict[str, str]:
        """List the tags of a template or, as moto does, of anything else."""
        if arns.template_id(resource_arn) is not None:
            return self.ledger.tags(resource_arn)
        return super().list_tags_for_resource(resource_arn)

    def tag_resource(self, arn: str, tags: Mapping[str, str]) -> None:
        """Tag a template or, as moto does, anything else."""
        if arns.template_id(arn) is not None:
            self.ledger.tag(arn, tags)
        else:
            super().tag_resource(arn, dict(tags))

    def untag_resource(self, arn: str, tag_keys: list[str]) -> None:
        """Untag a template or, as moto does, anything else."""
        if arns.template_id(arn) is not None:
            self.ledger.untag(arn, tag_keys)
        else:
            super().untag_resource(arn, tag_keys)

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """Everything that can be tagged, for the resource groups tagging API."""
        yield from super().iter_tagged_resources()
        for association in self.tables.all_associations():
            yield TaggedResource(association.arn, super().list_tags_for_resource(association.arn), "cleanrooms:configuredtableassociation")
        for template in self.ledger.all_templates():
            yield TaggedResource(template.arn, dict(template.tags), "cleanrooms:privacybudgettemplate")

    def _membership(self, membership_id: str) -> Membership | None:
        membership = self.memberships.get(membership_id)
        if membership is None:
            return None
        return Membership(membership.id, membership.arn, membership.collaboration_id, membership.collaboration_arn)


def backend(account_id: str, region: str) -> PrivacyBudgetBackend:
    """The backend of an account in a region, made when it is first asked for. Raises KeyError for an unknown region."""
    found: Any = cleanrooms_backends[account_id][region]
    if not isinstance(found, PrivacyBudgetBackend):
        raise TypeError("clean_rooms.install() must be called before moto's Clean Rooms is first used")
    return found


def _refuse_parent_of(children: Sequence[Template | TableAssociation], what: str, resource_type: str, resource_id: str) -> None:
    if children:
        raise ConflictException(
            f"a {resource_type.lower().replace('_', ' ')} must have no {what} when it is deleted,"
            f" got {', '.join(child.id for child in children)}",
            "SUBRESOURCES_EXIST",
            resourceId=resource_id,
            resourceType=resource_type,
        )
