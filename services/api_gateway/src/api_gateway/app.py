"""The application: routers, error handlers and the envelope around every request."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from api_gateway import VERSION
from api_gateway.alerts import routes as alerts
from api_gateway.dashboard import routes as dashboard
from api_gateway.dead_letters import routes as dead_letters
from api_gateway.devices import applications
from api_gateway.devices import routes as devices
from api_gateway.devices.pool import routes as device_pool
from api_gateway.devices.readings import routes as device_readings
from api_gateway.displays import routes as displays
from api_gateway.displays.policies import routes as display_policies
from api_gateway.documents.introduction import introduction
from api_gateway.documents.routes import document_routes
from api_gateway.downlinks import of_device as device_downlinks
from api_gateway.downlinks import routes as downlinks
from api_gateway.gateway import Gateway
from api_gateway.http import openapi
from api_gateway.http.origins import allow_origins
from api_gateway.http.problems import install_problem_handlers
from api_gateway.http.rate_limits import RateLimits
from api_gateway.http.requests import RequestEnvelope
from api_gateway.identity.audit import routes as audit
from api_gateway.identity.keys import routes as api_keys
from api_gateway.identity.sessions import routes as auth
from api_gateway.identity.tenants import routes as tenants
from api_gateway.identity.users import routes as users
from api_gateway.imports import exports
from api_gateway.imports import routes as imports
from api_gateway.ingress import credentials as ingress_credentials
from api_gateway.ingress import webhook as ingress
from api_gateway.live import routes as events
from api_gateway.lorawan_gateways import routes as lorawan_gateways
from api_gateway.network_sync import routes as network_sync
from api_gateway.privacy import routes as privacy
from api_gateway.reservations import availability
from api_gateway.reservations import routes as reservations
from api_gateway.sites import routes as sites
from api_gateway.spaces import routes as spaces
from api_gateway.spaces.timeline import routes as timeline
from api_gateway.statistics import now as statistics
from api_gateway.statistics.history import occupancy, turnover
from api_gateway.statistics.instant import routes as instant
from api_gateway.webhooks import delivery_routes as webhook_deliveries
from api_gateway.webhooks import routes as webhooks
from parking_chassis.health import Health

TAGS = [
    {"name": "spaces", "description": "Parking spaces: what is shown for them, and why."},
    {"name": "sites", "description": "Car parks and streets, on which the spaces are."},
    {"name": "statistics", "description": "Figures over spaces: now, over time, and at any moment of the past."},
    {"name": "dashboard", "description": "What a console shows first, in one answer."},
    {"name": "events", "description": "What happens, as it happens."},
    {"name": "imports", "description": "Sites, spaces and devices, in and out as CSV."},
    {"name": "ingress", "description": "Events handed in over HTTP, and the credentials for that."},
    {"name": "webhooks", "description": "Events sent to endpoints of yours, signed (Standard Webhooks)."},
    {"name": "devices", "description": "LoRaWAN sensors and displays."},
    {"name": "downlinks", "description": "What is sent to displays, and what becomes of it."},
    {"name": "displays", "description": "What displays should show and do show, and in which colours."},
    {"name": "gateways", "description": "LoRaWAN gateways, as ChirpStack tells of them."},
    {"name": "reservations", "description": "Spaces booked for a time, and who came."},
    {"name": "privacy", "description": "What is kept about people: exported and erased."},
    {"name": "alerts", "description": "What is wrong with the devices of spaces, and who has taken note."},
    {"name": "applications", "description": "Which tenant a ChirpStack application belongs to (platform admin)."},
    {"name": "dead letters", "description": "Messages that could not be handled (platform admin)."},
    {"name": "auth", "description": "Users' sessions: log-in, refresh, log-out, and the keys that sign tokens."},
    {"name": "users", "description": "Who is in the tenant, and in which role."},
    {"name": "api keys", "description": "What programs present themselves with."},
    {"name": "tenants", "description": "The parking operators on this platform (platform admin)."},
    {"name": "audit", "description": "Who changed what, and who logged in."},
    {"name": "probes", "description": "How the gateway is."},
]


def build_app(gateway: Gateway, health: Health) -> ASGIApp:
    """The whole HTTP side of the gateway."""
    app = FastAPI(
        title="Parkstream",
        version=VERSION,
        description=introduction(),
        openapi_tags=TAGS,
        openapi_url=None,  # served by documents/, like its pages
        docs_url=None,  # FastAPI's own load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.gateway = gateway
    app.state.rate_limits = RateLimits(gateway.settings)
    app.router.routes.extend([*health.routes(), *document_routes(app)])
    for module in (
        dashboard,
        statistics,
        occupancy,
        turnover,
        instant,
        spaces,
        timeline,
        availability,
        sites,
        devices,
        device_pool,
        device_readings,
        device_downlinks,
        downlinks,
        displays,
        display_policies,
        lorawan_gateways,
        network_sync,
        reservations,
        privacy,
        alerts,
        applications,
        dead_letters,
        events,
        imports,
        exports,
        ingress,
        ingress_credentials,
        webhooks,
        webhook_deliveries,
        auth,
        users,
        api_keys,
        tenants,
        audit,
    ):
        app.include_router(module.router)
    install_problem_handlers(app)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]  # FastAPI's own way to change it
    settings = gateway.settings
    enveloped = RequestEnvelope(
        app,
        body_bytes=settings.request_body_bytes,
        seconds=settings.request_seconds,
        hsts_seconds=settings.hsts_seconds,
    )
    return allow_origins(enveloped, settings.cors_origins)
