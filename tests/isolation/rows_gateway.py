"""One row for each table of the gateway."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from isolation.tenant import SECRET_SHA256, Tenant

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=30)

ROWS: Mapping[str, Callable[[Tenant], dict[str, Any]] | None] = {
    "gateway.tenants": lambda t: {"id": t.id, "name": t.word},
    "gateway.api_keys": lambda t: {
        "tenant_id": t.id,
        "id": t.key_id(),
        "name": t.word,
        "secret_sha256": SECRET_SHA256,
        "scopes": ["*"],
    },
    "gateway.users": lambda t: {
        "tenant_id": t.id,
        "id": t.own("user"),
        "email": t.email,
        "name": t.word,
        "password_hash": t.word,
        "role": "owner",
    },
    "gateway.sessions": lambda t: {
        "tenant_id": t.id,
        "id": t.own("session"),
        "user_id": t.own("user"),
        "expires_at": LATER,
        "user_agent": t.word,
        "address": t.word,
    },
    "gateway.refresh_tokens": lambda t: {
        "tenant_id": t.id,
        "session_id": t.own("session"),
        "secret_sha256": t.word.encode(),
    },
    "gateway.signing_keys": lambda t: {
        "kid": t.word,
        "private_key": t.word.encode(),
        "created_at": NOW - timedelta(days=90),
        "signs_until": NOW - timedelta(days=60),
        "retires_at": NOW - timedelta(days=30),
    },
    "gateway.login_failures": lambda t: {"bucket": t.word.encode(), "level": 1.0, "measured_at": NOW},
    "gateway.audit_log": lambda t: {
        "id": t.own("audit"),
        "tenant_id": t.id,
        "actor": f"user:{t.own('user')}",
        "action": t.word,
        "path": t.word,
        "request_id": t.word,
        "address": t.word,
    },
    "gateway.audit_outcomes": lambda t: {"audit_id": t.own("audit"), "tenant_id": t.id, "status": 200},
    "gateway.ingress_credentials": lambda t: {
        "tenant_id": t.id,
        "id": t.key_id("ingress"),
        "source": t.source,
        "application_ids": [t.application],
        "token_sha256": SECRET_SHA256,
        "signing_secret": t.word.encode(),
    },
    "gateway.webhook_endpoints": lambda t: {
        "tenant_id": t.id,
        "id": t.own("webhook"),
        "url": f"https://{t.word}.example.org/hook",
        "description": t.word,
    },
    "gateway.webhook_secrets": lambda t: {
        "tenant_id": t.id,
        "id": t.own("webhook secret"),
        "endpoint_id": t.own("webhook"),
        "secret": SECRET_SHA256,
    },
    "gateway.webhook_deliveries": lambda t: {
        "tenant_id": t.id,
        "id": t.own("delivery"),
        "endpoint_id": t.own("webhook"),
        "event_id": str(t.own("event")),
        "event_type": "space.state_changed",
        "stream": "SPACES",
        "sequence": 1,
        "body": t.word.encode(),
        "state": "delivered",
        "last_error": t.word,
        "finished_at": NOW,
    },
    "gateway.webhook_attempts": lambda t: {
        "tenant_id": t.id,
        "delivery_id": t.own("delivery"),
        "number": 1,
        "started_at": NOW,
        "seconds": 0.1,
        "error": t.word,
    },
    "gateway.webhook_replays": lambda t: {
        "tenant_id": t.id,
        "id": t.own("replay"),
        "endpoint_id": t.own("webhook"),
        "state": "done",
        **{f"{stream}_{edge}": 1 for stream in ("spaces", "reservations") for edge in ("after", "position", "until")},
    },
    "gateway.inbox": lambda t: {
        "tenant_id": t.id,
        "caller": f"key:{t.key_id()}",
        "idempotency_key": t.word,
        "body_sha256": t.word,
        "reply": t.word.encode(),
    },
    "gateway.restores": None,  # of the whole platform; nobody but `parkstream restore` writes it
}
