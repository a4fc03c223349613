-- owner: reservation_service
-- Reservations, which the database itself keeps from overlapping; what the service owes the bus, and which commands it
-- has answered; and what the gateway may read of them.
SET LOCAL lock_timeout = '5s';

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA reservation;
GRANT USAGE ON SCHEMA reservation TO reservation_service, reservation_service_request, api_gateway_request;

-- E-mail, phone and metadata are personal data; `erased_at` is when they were taken away. `cleared_at` is when the
-- vehicle that stood in the way had left, or when a restore began the grace of who was awaited anew.
CREATE TABLE reservation.reservations (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL DEFAULT uuidv7(),
    space_id      uuid NOT NULL,
    starts_at     timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    during        tstzrange NOT NULL GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)')) STORED,
    email         text CHECK (length(email) <= 255),
    phone         text CHECK (length(phone) <= 20),
    metadata      jsonb NOT NULL DEFAULT '{}',
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'completed', 'cancelled', 'no_show')),
    opened_at     timestamptz,
    checked_in_at timestamptz,
    checked_in_by text CHECK (checked_in_by IN ('arrival', 'api')),
    obstructed_at timestamptz,
    cleared_at    timestamptz,
    overstayed_at timestamptz,
    ended_at      timestamptz,
    cancel_reason text NOT NULL DEFAULT '' CHECK (length(cancel_reason) <= 200),
    created_by    text NOT NULL,
    request_id    text NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    version       bigint NOT NULL DEFAULT 1,
    erased_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, space_id) REFERENCES occupancy.spaces (tenant_id, id),
    CONSTRAINT reservations_overlap EXCLUDE USING gist (tenant_id WITH =, space_id WITH =, during WITH &&)
        WHERE (status = 'active'),
    CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '24 hours'),
    CHECK ((checked_in_at IS NULL) = (checked_in_by IS NULL)),
    CHECK ((status = 'active') = (ended_at IS NULL))
) WITH (fillfactor = 80);
-- Lists, newest first.
CREATE INDEX reservations_newest ON reservation.reservations (tenant_id, starts_at DESC, id DESC);
CREATE INDEX reservations_of_space ON reservation.reservations (tenant_id, space_id, starts_at DESC, id DESC);
CREATE INDEX reservations_by_email ON reservation.reservations (tenant_id, lower(email), starts_at DESC)
    WHERE email IS NOT NULL;
CREATE INDEX reservations_by_phone ON reservation.reservations (tenant_id, phone) WHERE phone IS NOT NULL;
-- What the clock looks for.
CREATE INDEX reservations_to_open ON reservation.reservations (starts_at) WHERE status = 'active';
CREATE INDEX reservations_to_end ON reservation.reservations (ends_at) WHERE status = 'active';
CREATE INDEX reservations_to_leave ON reservation.reservations (ends_at)
    WHERE status = 'completed' AND checked_in_at IS NOT NULL AND overstayed_at IS NULL;
CREATE INDEX reservations_to_prune ON reservation.reservations (ends_at)
    WHERE status <> 'active' AND erased_at IS NULL;

CREATE TABLE reservation.outbox (LIKE occupancy.outbox INCLUDING ALL);

-- Answers carry personal data: they are kept for hours, and a person who is forgotten leaves them too.
CREATE TABLE reservation.inbox (LIKE occupancy.inbox INCLUDING ALL);

CALL gateway.isolate('reservation.reservations', '{reservation_service_request}', '{reservation_service}');
CALL gateway.isolate('reservation.inbox', '{reservation_service_request}', '{reservation_service}');
-- A request leaves events under its own tenant's subjects (parking.v1.reservation.<tenant>. ...), and reads none.
ALTER TABLE reservation.outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY relay ON reservation.outbox TO reservation_service USING (true);
CREATE POLICY leave ON reservation.outbox FOR INSERT TO reservation_service_request WITH CHECK (
    split_part(subject, '.', 3) = 'reservation'
    AND split_part(subject, '.', 4) = (SELECT gateway.current_tenant())::text);
GRANT SELECT, UPDATE ON reservation.reservations TO reservation_service;
GRANT SELECT, INSERT, UPDATE ON reservation.reservations TO reservation_service_request;
GRANT SELECT, INSERT, DELETE ON reservation.outbox TO reservation_service;
GRANT INSERT ON reservation.outbox TO reservation_service_request;
GRANT SELECT, DELETE ON reservation.inbox TO reservation_service;
GRANT SELECT, INSERT, DELETE ON reservation.inbox TO reservation_service_request;

-- What the gateway's requests may read: with their own rights, one tenant's.
CREATE VIEW reservation.reservation_directory WITH (security_invoker = true) AS
SELECT tenant_id, id, space_id, starts_at, ends_at, during, email, phone, metadata, status, opened_at, checked_in_at,
       checked_in_by, obstructed_at, overstayed_at, ended_at, cancel_reason, created_by, created_at, updated_at, version
FROM reservation.reservations;
GRANT SELECT (tenant_id, id, space_id, starts_at, ends_at, during, email, phone, metadata, status, opened_at,
              checked_in_at, checked_in_by, obstructed_at, overstayed_at, ended_at, cancel_reason, created_by,
              created_at, updated_at, version)
    ON reservation.reservations TO api_gateway_request;
GRANT SELECT ON reservation.reservation_directory TO api_gateway_request;
CREATE POLICY readers_of_one_tenant ON reservation.reservations FOR SELECT TO api_gateway_request
    USING (tenant_id = (SELECT gateway.current_tenant()));
