"""Routes: the ways out that the settings name, with the severities that take each."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SecretStr

from cbm_etl_assets.alerting.events import Severity
from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.sections import AlertSettings, RouteSettings, SmtpSettings

_ALL = frozenset(Severity)
_URGENT = frozenset({Severity.ERROR, Severity.CRITICAL})


@dataclass(frozen=True)
class Route:
    name: str
    channel: str
    severities: frozenset[Severity] = _ALL
    url: SecretStr | None = None
    key: SecretStr | None = None
    to: tuple[str, ...] = ()
    smtp: SmtpSettings = field(default_factory=SmtpSettings)

    def takes(self, severity: Severity) -> bool:
        return severity in self.severities


def routes_of(alerts: AlertSettings) -> tuple[Route, ...]:
    """Raises: ConfigurationError for a route without its address, or two of one name."""
    short = [
        RouteSettings(name="teams", channel="teams", url=alerts.teams_url) if alerts.teams_url else None,
        RouteSettings(name="slack", channel="slack", url=alerts.slack_url) if alerts.slack_url else None,
        RouteSettings(name="webhook", channel="webhook", url=alerts.webhook_url) if alerts.webhook_url else None,
        RouteSettings(name="pagerduty", channel="pagerduty", key=alerts.pagerduty_key) if alerts.pagerduty_key else None,
        RouteSettings(name="email", channel="email", to=alerts.email_to) if alerts.email_to else None,
    ]
    declared = [*(route for route in short if route), *alerts.routes]
    names = [route.name for route in declared]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"Two alert routes are called '{name}'.", remedy="rename the one in CBM_ALERTS__ROUTES")
    return tuple(_route(route, alerts.smtp) for route in declared)


def _route(route: RouteSettings, smtp: SmtpSettings) -> Route:
    wanted = {"teams": route.url, "slack": route.url, "webhook": route.url, "pagerduty": route.key, "email": route.to, "log": True}
    if not wanted[route.channel]:
        field_name = {"pagerduty": "key", "email": "to"}.get(route.channel, "url")
        raise ConfigurationError(f"Alert route '{route.name}' ({route.channel}) has no {field_name}.", remedy="see README.md, Settings")
    if route.channel == "email" and not smtp.host:
        raise ConfigurationError(f"Alert route '{route.name}' (email) has no mail server.", remedy="set CBM_ALERTS__SMTP__HOST")
    default = _URGENT if route.channel == "pagerduty" else _ALL
    severities = frozenset(Severity(s) for s in route.severities) or default
    return Route(route.name, route.channel, severities, route.url, route.key, route.to, smtp)
