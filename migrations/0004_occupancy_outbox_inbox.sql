-- owner: occupancy_engine
-- What the engine owes the bus, and which commands it has answered; both are written with the effect they belong to.
SET LOCAL lock_timeout = '5s';

CREATE TABLE occupancy.outbox (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL DEFAULT uuidv7(),
    subject  text NOT NULL,
    type     text NOT NULL,
    time     timestamptz NOT NULL DEFAULT now(),
    payload  bytea NOT NULL
);
CREATE TYPE occupancy.event AS (subject text, type text, payload bytea);

CREATE TABLE occupancy.inbox (
    tenant_id       uuid NOT NULL,
    caller          text NOT NULL,
    idempotency_key text NOT NULL,
    body_sha256     text NOT NULL,
    reply           bytea NOT NULL,
    answered_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, caller, idempotency_key)
);
CREATE INDEX inbox_answered ON occupancy.inbox (answered_at);

CALL gateway.isolate('occupancy.inbox', '{occupancy_engine_request}', '{occupancy_engine}');
-- A request leaves events under its own tenant's subjects (parking.v1.space.<tenant>. ...) and never reads another's. The
-- subject of what a display reported (in frames that waited for a binding) has no tenant: the event itself has.
ALTER TABLE occupancy.outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY relay ON occupancy.outbox TO occupancy_engine USING (true);
CREATE POLICY leave ON occupancy.outbox FOR INSERT TO occupancy_engine_request WITH CHECK (
    CASE split_part(subject, '.', 3)
        WHEN 'dead' THEN true
        WHEN 'space' THEN split_part(subject, '.', 4) = (SELECT gateway.current_tenant())::text
        WHEN 'device' THEN split_part(subject, '.', 4) = 'reported'
            AND convert_from(payload, 'UTF8')::jsonb ->> 'tenant_id' = (SELECT gateway.current_tenant())::text
        ELSE false
    END);
GRANT SELECT, INSERT, DELETE ON occupancy.outbox, occupancy.inbox TO occupancy_engine;
GRANT INSERT ON occupancy.outbox TO occupancy_engine_request;
GRANT SELECT, INSERT ON occupancy.inbox TO occupancy_engine_request;
