"""The paths that moto hands to these responses: its own, and those of privacy budgets and table associations."""

from moto.cleanrooms.urls import url_bases
from moto.cleanrooms.urls import url_paths as moto_url_paths

from .responses import PrivacyBudgetResponse

__all__ = ["url_bases", "url_paths"]

_MEMBERSHIP = "{0}/memberships/(?P<membershipIdentifier>[^/]+)"
_COLLABORATION = "{0}/collaborations/(?P<collaborationIdentifier>[^/]+)"
_ASSOCIATION = f"{_MEMBERSHIP}/configuredTableAssociations/(?P<configuredTableAssociationIdentifier>[^/]+)"
_RULE = "/analysisRule/(?P<analysisRuleType>[^/]+)"
_TEMPLATE = "/privacybudgettemplates/(?P<privacyBudgetTemplateIdentifier>[^/]+)"

_PATHS = (
    *moto_url_paths,
    f"{_MEMBERSHIP}/privacybudgettemplates$",
    f"{_MEMBERSHIP}{_TEMPLATE}$",
    f"{_MEMBERSHIP}/privacybudgets$",
    f"{_MEMBERSHIP}/previewprivacyimpact$",
    f"{_COLLABORATION}/privacybudgettemplates$",
    f"{_COLLABORATION}{_TEMPLATE}$",
    f"{_COLLABORATION}/privacybudgets$",
    f"{_MEMBERSHIP}/configuredTableAssociations$",
    f"{_ASSOCIATION}$",
    f"{_ASSOCIATION}/analysisRule$",
    f"{_ASSOCIATION}{_RULE}$",
    "{0}/configuredTables/(?P<configuredTableIdentifier>[^/]+)/analysisRule$",
    f"{{0}}/configuredTables/(?P<configuredTableIdentifier>[^/]+){_RULE}$",
    f"{{0}}/local{_MEMBERSHIP.removeprefix('{0}')}{_TEMPLATE}/spend$",
)

url_paths = dict.fromkeys(_PATHS, PrivacyBudgetResponse.dispatch)
