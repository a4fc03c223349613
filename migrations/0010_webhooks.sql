-- owner: api_gateway
-- Outgoing webhooks: who wants to hear (endpoints and the secrets that sign for them), what each is to be told
-- (deliveries, one per endpoint and event), what became of every attempt, and replays from the event streams.
SET LOCAL lock_timeout = '5s';

-- active_from: events from then on. failures: attempts in a row that failed, since failing_since. updated_at: of what
-- the tenant wrote alone. A deleted endpoint stays until its last delivery is forgotten.
CREATE TABLE gateway.webhook_endpoints (
    tenant_id       uuid NOT NULL REFERENCES gateway.tenants,
    id              uuid NOT NULL DEFAULT uuidv7(),
    url             text NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    description     text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    event_types     text[] NOT NULL DEFAULT '{}',
    site_ids        uuid[] NOT NULL DEFAULT '{}',
    enabled         boolean NOT NULL DEFAULT true,
    disabled_reason text,
    active_from     timestamptz NOT NULL DEFAULT now(),
    failures        integer NOT NULL DEFAULT 0,
    failing_since   timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK (enabled = (disabled_reason IS NULL))
);

-- The current secret has no end; the one before it signs along until expires_at. Kept as they are, because signing
-- needs them: requests may write a secret and never read one.
CREATE TABLE gateway.webhook_secrets (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL DEFAULT uuidv7(),
    endpoint_id uuid NOT NULL,
    secret      bytea NOT NULL CHECK (length(secret) BETWEEN 24 AND 64),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES gateway.webhook_endpoints ON DELETE CASCADE
);
CREATE UNIQUE INDEX webhook_secrets_current ON gateway.webhook_secrets (tenant_id, endpoint_id)
    WHERE expires_at IS NULL;

-- stream and sequence: where the event stands on the bus; null for a test. replay: 0 for what came live, else the
-- number of the replay. tries: attempts since it was (last) asked for, which the backoff goes by. next_attempt_at begins
-- as the moment the stream took the event in, so that the first attempts go out in stream order.
CREATE TABLE gateway.webhook_deliveries (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuidv7(),
    endpoint_id     uuid NOT NULL,
    event_id        text NOT NULL,
    event_type      text NOT NULL,
    stream          text,
    sequence        bigint,
    replay          bigint NOT NULL DEFAULT 0,
    body            bytea NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
    attempts        integer NOT NULL DEFAULT 0,
    tries           integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    leased_until    timestamptz,
    last_attempt_at timestamptz,
    last_status     integer,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, endpoint_id, event_id, replay),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES gateway.webhook_endpoints
);
CREATE INDEX webhook_deliveries_due ON gateway.webhook_deliveries (tenant_id, endpoint_id, next_attempt_at, sequence)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_leased ON gateway.webhook_deliveries (tenant_id, endpoint_id)
    WHERE leased_until IS NOT NULL;
CREATE INDEX webhook_deliveries_newest ON gateway.webhook_deliveries (tenant_id, endpoint_id, id);
CREATE INDEX webhook_deliveries_age ON gateway.webhook_deliveries (created_at);

CREATE TABLE gateway.webhook_attempts (
    tenant_id   uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number      integer NOT NULL,
    started_at  timestamptz NOT NULL,
    seconds     double precision NOT NULL,
    status      integer,
    error       text,
    PRIMARY KEY (tenant_id, delivery_id, number),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES gateway.webhook_deliveries ON DELETE CASCADE
);

-- From where to where in each stream, and how far it has come. lost: the streams no longer held its beginning.
CREATE TABLE gateway.webhook_replays (
    tenant_id             uuid NOT NULL,
    id                    uuid NOT NULL DEFAULT uuidv7(),
    endpoint_id           uuid NOT NULL,
    number                bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    state                 text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cut')),
    spaces_after          bigint NOT NULL,
    spaces_position       bigint NOT NULL,
    spaces_until          bigint NOT NULL,
    reservations_after    bigint NOT NULL,
    reservations_position bigint NOT NULL,
    reservations_until    bigint NOT NULL,
    deliveries            integer NOT NULL DEFAULT 0,
    lost                  boolean NOT NULL DEFAULT false,
    created_at            timestamptz NOT NULL DEFAULT now(),
    finished_at           timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES gateway.webhook_endpoints ON DELETE CASCADE
);
CREATE UNIQUE INDEX webhook_replays_running ON gateway.webhook_replays (tenant_id, endpoint_id)
    WHERE state = 'running';

CALL gateway.isolate('gateway.webhook_endpoints', '{api_gateway_request}', '{api_gateway}');
CALL gateway.isolate('gateway.webhook_secrets', '{api_gateway_request}', '{api_gateway}');
CALL gateway.isolate('gateway.webhook_deliveries', '{api_gateway_request}', '{api_gateway}');
CALL gateway.isolate('gateway.webhook_attempts', '{api_gateway_request}', '{api_gateway}');
CALL gateway.isolate('gateway.webhook_replays', '{api_gateway_request}', '{api_gateway}');

GRANT SELECT, INSERT, UPDATE ON gateway.webhook_endpoints TO api_gateway_request;
GRANT SELECT (tenant_id, id, endpoint_id, created_at, expires_at), INSERT, UPDATE (expires_at), DELETE
    ON gateway.webhook_secrets TO api_gateway_request;
GRANT SELECT, INSERT, UPDATE ON gateway.webhook_deliveries TO api_gateway_request;
GRANT SELECT ON gateway.webhook_attempts TO api_gateway_request;
GRANT SELECT, INSERT, UPDATE ON gateway.webhook_replays TO api_gateway_request;

GRANT SELECT, UPDATE, DELETE ON gateway.webhook_endpoints TO api_gateway;
GRANT SELECT, DELETE ON gateway.webhook_secrets TO api_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.webhook_deliveries TO api_gateway;
GRANT SELECT, INSERT ON gateway.webhook_attempts TO api_gateway;
GRANT SELECT, UPDATE ON gateway.webhook_replays TO api_gateway;
