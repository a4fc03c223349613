"""Every metric of the gateway, and the names of its log events.

Log events: `bootstrap_key_made`, `bootstrap_key_registered`, `bootstrap_waiting`, `stream_followed`,
`stream_interrupted`, `stream_restarted`, `event_skipped`, `dead_letter_replayed`, `bootstrap_owner_made`,
`bootstrap_owner_conflict`, `refresh_token_reused`, `login_throttled`, `audit_outcome_lost`, `signing_key_made`,
`webhook_intake_started`, `webhook_intake_interrupted`, `webhooks_waiting`, `webhook_attempt_failed`,
`webhook_attempt_broken`, `webhook_endpoint_disabled`, `webhook_replay_waiting`, `webhook_upkeep_waiting`,
`ingress_unauthenticated`, `ingress_not_covered`, `ingress_not_stored`.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import Scope

REQUESTS = Counter(
    "parkstream_gateway_requests_total", "HTTP requests by method, route and status", ["method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    "parkstream_gateway_request_seconds",
    "Time until the answer begins",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
RATE_LIMITED = Counter("parkstream_gateway_rate_limited_total", "Requests refused by a rate limit", ["limit", "per"])
LOGINS = Counter("parkstream_gateway_logins_total", "Attempts to log in", ["outcome"])  # success, failure, throttled
PASSWORD_HASHES = Counter("parkstream_gateway_password_hashes_total", "Argon2 computations")
REFRESHES = Counter(
    "parkstream_gateway_refreshes_total", "Uses of refresh tokens, by outcome", ["outcome"]
)  # rotated, repeated, refused, reused
EVENT_STREAMS = Gauge("parkstream_gateway_event_streams", "Clients following the event stream now")
EVENTS = Counter("parkstream_gateway_events_total", "Events taken from the bus", ["stream"])
EVENTS_DROPPED = Counter(
    "parkstream_gateway_events_dropped_total", "Events not passed on, by reason", ["reason"]
)  # passed_version, unreadable
STREAM_ENDS = Counter(
    "parkstream_gateway_event_stream_ends_total",
    "Event streams that ended: client_gone, too_slow, revoked, bus_away or stopping",
    ["reason"],
)
INGRESS_EVENTS = Counter(
    "parkstream_gateway_ingress_events_total", "Events handed in over HTTP, by event and outcome", ["event", "outcome"]
)  # stored, not_stored, not_covered
WEBHOOK_EVENTS = Counter(
    "parkstream_gateway_webhook_events_total", "Events looked at for outgoing webhooks", ["stream"]
)
WEBHOOK_ATTEMPTS = Counter(
    "parkstream_gateway_webhook_attempts_total", "Attempts of outgoing webhooks, by what followed", ["outcome"]
)  # delivered, retried, failed, interrupted
WEBHOOK_ATTEMPT_SECONDS = Histogram(
    "parkstream_gateway_webhook_attempt_seconds",
    "How long receivers of webhooks take",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
WEBHOOKS_IN_FLIGHT = Gauge("parkstream_gateway_webhooks_in_flight", "Attempts of outgoing webhooks under way")
WEBHOOKS_PENDING = Gauge("parkstream_gateway_webhooks_pending", "Deliveries that wait, of the whole platform")
WEBHOOKS_OLDEST_PENDING = Gauge(
    "parkstream_gateway_webhooks_oldest_pending_seconds", "How long the oldest of them has waited"
)
WEBHOOK_ENDPOINTS_DISABLED = Counter(
    "parkstream_gateway_webhook_endpoints_disabled_total", "Endpoints disabled because of their failures"
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe_request(scope: Scope, status: int | None, seconds: float) -> None:
    """Count one request. Unknown paths and methods share one label each, so that no client makes new series."""
    route = getattr(scope.get("route"), "path", None) or _plain_route(scope)
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(method, route, status or "none").inc()
    if status is not None:
        REQUEST_SECONDS.labels(route).observe(seconds)


def _plain_route(scope: Scope) -> str:
    """Probes and documents are routes of Starlette's, which names none: without parameters the path is the template."""
    is_template = "endpoint" in scope and not scope.get("path_params")
    return str(scope["path"]) if is_template else "unmatched"
