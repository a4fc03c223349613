"""The four routes that every service has (`parking_chassis.health`), as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

_HEALTH_EXAMPLE = {
    "status": "healthy",
    "service": "api_gateway",
    "version": "0.1.0",
    "uptime_seconds": 86400.5,
    "checks": {"database": "ok", "nats": "ok"},
    "stats": {},
}
_HEALTH_SCHEMA = {
    "type": "object",
    "required": ["status", "service", "version", "uptime_seconds", "checks", "stats"],
    "properties": {
        "status": {"enum": ["healthy", "degraded", "unhealthy"]},
        "service": {"type": "string"},
        "version": {"type": "string"},
        "uptime_seconds": {"type": "number"},
        "checks": {"type": "object", "additionalProperties": {"type": "string"}},
        "stats": {"type": "object"},
    },
}
_READY_SCHEMA = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["ready", "unready"]},
        "problems": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def _answer(description: str, schema: dict[str, Any], example: Any, media_type: str = "application/json") -> Any:
    return {"description": description, "content": {media_type: {"schema": schema, "example": example}}}


def _probe(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    name = summary.split(maxsplit=1)[0].lower().strip(":")
    operation = {"tags": ["probes"], "summary": summary, "operationId": f"probe_{name}", "security": []}
    return {"get": {**operation, "description": f"{summary}. Asks for no credential.", "responses": responses}}


PROBES: dict[str, Any] = {
    "/live": _probe(
        "Live: the process turns",
        {"200": _answer("It does.", {"type": "object"}, {"status": "live"})},
    ),
    "/ready": _probe(
        "Ready: every dependency answers",
        {
            "200": _answer("They do.", _READY_SCHEMA, {"status": "ready"}),
            "503": _answer("Some do not.", _READY_SCHEMA, {"status": "unready", "problems": {"nats": "not connected"}}),
        },
    ),
    "/health": _probe(
        "Health: the same with words and figures",
        {
            "200": _answer("Usable, perhaps poorer.", _HEALTH_SCHEMA, _HEALTH_EXAMPLE),
            "503": _answer("Not usable.", _HEALTH_SCHEMA, {**_HEALTH_EXAMPLE, "status": "unhealthy"}),
        },
    ),
    "/metrics": _probe(
        "Metrics: figures for Prometheus",
        {
            "200": _answer(
                "Prometheus' text format.",
                {"type": "string"},
                'parkstream_gateway_requests_total{method="GET",route="/live",status="200"} 1.0\n',
                "text/plain",
            )
        },
    ),
}
