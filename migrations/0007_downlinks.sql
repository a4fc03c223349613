-- owner: downlink_dispatcher
-- Displays and what they should show, the commands on their way to them, what the network server tells of devices and
-- gateways; what the service owes the bus, which commands it has answered, and what the gateway may read of all this.
SET LOCAL lock_timeout = '5s';

CREATE SCHEMA downlink;
GRANT USAGE ON SCHEMA downlink TO downlink_dispatcher, downlink_dispatcher_request, api_gateway_request;

-- A state's colour where a tenant does not want the default. Times in 1/100 s; off 0 is steady.
CREATE TABLE downlink.display_policies (
    tenant_id        uuid NOT NULL REFERENCES gateway.tenants,
    state            text NOT NULL CHECK (state IN ('free', 'occupied', 'reserved', 'maintenance', 'unknown')),
    colour           text NOT NULL CHECK (colour ~ '^[0-9A-F]{6}$'),
    on_centiseconds  smallint NOT NULL DEFAULT 255 CHECK (on_centiseconds BETWEEN 0 AND 255),
    off_centiseconds smallint NOT NULL DEFAULT 0 CHECK (off_centiseconds BETWEEN 0 AND 255),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, state)
);

-- A sign that counts the free spaces of a zone (`zone` NULL: of the whole site).
CREATE TABLE downlink.zone_counters (
    tenant_id  uuid NOT NULL,
    dev_eui    text NOT NULL CHECK (dev_eui ~ '^[0-9a-f]{16}$'),
    site_id    uuid NOT NULL,
    zone       text CHECK (length(zone) <= 50),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, dev_eui),
    FOREIGN KEY (tenant_id, site_id) REFERENCES occupancy.sites (tenant_id, id)
);
CREATE INDEX zone_counters_of_zone ON downlink.zone_counters (tenant_id, site_id);

-- One row per display: what it should show, what was sent, what it reports. The desired state is this row and no queue
-- entry, so that A, B, A ends at A. `due_at` is when there is something to send, NULL when there is not; whoever sends
-- holds the row by `claim` until `claimed_until`.
CREATE TABLE downlink.displays (
    tenant_id       uuid NOT NULL REFERENCES gateway.tenants,
    dev_eui         text NOT NULL CHECK (dev_eui ~ '^[0-9a-f]{16}$'),
    codec           text NOT NULL,
    space_id        uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- desired: what it shows is the state of a space, or a count. `desired_version` grows with every new wish.
    desired_version bigint NOT NULL DEFAULT 0,
    desired         text,
    desired_command jsonb,
    desired_f_port  smallint,
    desired_payload bytea,
    desired_cause   text NOT NULL DEFAULT '',
    desired_at      timestamptz,
    space_version   bigint NOT NULL DEFAULT 0,
    -- sent: the wish that the network server has; `shown_payload` is NULL when nobody knows what is shown
    sent_version    bigint NOT NULL DEFAULT 0,
    shown_payload   bytea,
    sent_at         timestamptz,
    -- sending
    due_at          timestamptz,
    claim           uuid,
    claimed_until   timestamptz,
    -- a command was given up on, and nothing has gone out since
    failed_at       timestamptz,
    -- heard, whatever it said, and reported
    heard_at        timestamptz,
    gateway_id      text,
    session_at      timestamptz,
    f_cnt           bigint,
    reported        jsonb,
    reported_at     timestamptz,
    is_right        boolean,
    joined_at       timestamptz,
    -- sent again because of what it reported, since it was last right; and when that became an alert
    mended          integer NOT NULL DEFAULT 0,
    mended_at       timestamptz,
    alerted_at      timestamptz,
    PRIMARY KEY (tenant_id, dev_eui)
) WITH (fillfactor = 70);
CREATE INDEX displays_due ON downlink.displays (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX displays_of_space ON downlink.displays (tenant_id, space_id) WHERE space_id IS NOT NULL;

-- Every command and what became of it. A free-form command (`custom`) waits here in its device's order (by id); a
-- display's state gets its row when it is about to be sent. `ended_at`: nothing more is expected to happen.
CREATE TABLE downlink.downlinks (
    tenant_id       uuid NOT NULL REFERENCES gateway.tenants,
    id              uuid NOT NULL DEFAULT uuidv7(),
    dev_eui         text NOT NULL,
    space_id        uuid,
    kind            text NOT NULL CHECK (kind IN ('state', 'counter', 'custom')),
    version         bigint,
    f_port          smallint NOT NULL CHECK (f_port BETWEEN 1 AND 223),
    payload         bytea NOT NULL CHECK (length(payload) BETWEEN 1 AND 242),
    confirmed       boolean NOT NULL DEFAULT false,
    command         jsonb,
    cause           text NOT NULL DEFAULT '',
    requested_by    text,
    request_id      text,
    status          text NOT NULL DEFAULT 'queued'
                    CHECK (status IN ('queued', 'sent', 'transmitted', 'acknowledged', 'failed', 'expired',
                                      'superseded', 'cancelled')),
    attempts        smallint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    last_error      text NOT NULL DEFAULT '',
    -- handed to the network server, or about to be: after a crash it may be there already
    tried_at        timestamptz,
    queue_item_id   text,
    f_cnt_down      bigint,
    gateway_id      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    transmitted_at  timestamptz,
    acknowledged_at timestamptz,
    ended_at        timestamptz,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);
-- The only index of open commands alone: with a second one, the planner without statistics may go through them all to
-- find those of one display. They are few, so the sweep finds what has expired here too.
CREATE INDEX downlinks_open ON downlink.downlinks (tenant_id, dev_eui, id) WHERE ended_at IS NULL;
CREATE INDEX downlinks_newest ON downlink.downlinks (tenant_id, created_at DESC, id DESC);
CREATE INDEX downlinks_of_device ON downlink.downlinks (tenant_id, dev_eui, created_at DESC, id DESC);
CREATE INDEX downlinks_of_space ON downlink.downlinks (tenant_id, space_id, created_at DESC)
    WHERE space_id IS NOT NULL;
CREATE INDEX downlinks_old ON downlink.downlinks USING brin (created_at);

-- The history of each command, append-only. No foreign key: each step would look its command up and lock it, and the
-- dispatcher alone writes both.
CREATE TABLE downlink.downlink_steps (
    tenant_id   uuid NOT NULL,
    downlink_id uuid NOT NULL,
    n           bigint GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    status      text NOT NULL,
    detail      text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, downlink_id, n)
);

-- Tokens, shared by all replicas: `gateway:<gatewayId>` and `tenant:<id>`. Full when there is no row.
CREATE TABLE downlink.token_buckets (
    key       text PRIMARY KEY,
    tokens    double precision NOT NULL,
    filled_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- LoRaWAN gateways, once per tenant that one of them serves. Counts of the last 24 hours.
CREATE TABLE downlink.gateways (
    tenant_id         uuid NOT NULL REFERENCES gateway.tenants,
    gateway_id        text NOT NULL CHECK (gateway_id ~ '^[0-9a-f]{16}$'),
    network_tenant_id text NOT NULL,
    name              text NOT NULL,
    description       text NOT NULL DEFAULT '',
    latitude          double precision,
    longitude         double precision,
    altitude          double precision,
    state             text NOT NULL CHECK (state IN ('online', 'offline', 'never_seen')),
    last_seen_at      timestamptz,
    received_24h      bigint NOT NULL DEFAULT 0,
    sent_24h          bigint NOT NULL DEFAULT 0,
    synced_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, gateway_id)
);

-- Devices as the network server knows them: whose application a DevEUI really is in. Seen by the service alone.
CREATE TABLE downlink.network_devices (
    dev_eui        text PRIMARY KEY CHECK (dev_eui ~ '^[0-9a-f]{16}$'),
    application_id text NOT NULL,
    device_class   text NOT NULL CHECK (device_class IN ('A', 'B', 'C')),
    is_disabled    boolean NOT NULL DEFAULT false,
    digest         bytea NOT NULL,
    synced_at      timestamptz NOT NULL,
    announced_at   timestamptz NOT NULL
);

-- Replicas take turns at asking the network server; a request is served by the next turn. No tenant: one for all.
CREATE TABLE downlink.sync_rounds (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    requested_at timestamptz NOT NULL DEFAULT '-infinity',
    began_at     timestamptz NOT NULL DEFAULT '-infinity',
    ended_at     timestamptz NOT NULL DEFAULT '-infinity',
    error        text NOT NULL DEFAULT '',
    devices      integer NOT NULL DEFAULT 0,
    gateways     integer NOT NULL DEFAULT 0
);
INSERT INTO downlink.sync_rounds DEFAULT VALUES;

CREATE TABLE downlink.outbox (LIKE occupancy.outbox INCLUDING ALL);
CREATE TABLE downlink.inbox (LIKE occupancy.inbox INCLUDING ALL);

CALL gateway.isolate('downlink.display_policies', '{downlink_dispatcher_request}', '{downlink_dispatcher}');
CALL gateway.isolate('downlink.zone_counters', '{downlink_dispatcher_request}', '{downlink_dispatcher}');
CALL gateway.isolate('downlink.displays', '{downlink_dispatcher_request}', '{downlink_dispatcher}');
CALL gateway.isolate('downlink.downlinks', '{downlink_dispatcher_request}', '{downlink_dispatcher}');
CALL gateway.isolate('downlink.downlink_steps', '{downlink_dispatcher_request}', '{downlink_dispatcher}');
CALL gateway.isolate('downlink.gateways', '{downlink_dispatcher_request}', '{downlink_dispatcher}');
CALL gateway.isolate('downlink.inbox', '{downlink_dispatcher_request}', '{downlink_dispatcher}');
-- A request tells the bus of nothing by itself: facts and alerts are the batch role's.
ALTER TABLE downlink.outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY relay ON downlink.outbox TO downlink_dispatcher USING (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON downlink.displays, downlink.downlinks, downlink.gateways TO downlink_dispatcher;
GRANT SELECT ON downlink.display_policies TO downlink_dispatcher;
GRANT SELECT, DELETE ON downlink.zone_counters TO downlink_dispatcher;
GRANT SELECT, INSERT, DELETE ON downlink.downlink_steps TO downlink_dispatcher;
GRANT SELECT, INSERT, UPDATE, DELETE ON downlink.token_buckets, downlink.network_devices TO downlink_dispatcher;
GRANT SELECT, UPDATE ON downlink.sync_rounds TO downlink_dispatcher;
GRANT SELECT, INSERT, DELETE ON downlink.outbox TO downlink_dispatcher;
GRANT SELECT, DELETE ON downlink.inbox TO downlink_dispatcher;

GRANT SELECT, INSERT, UPDATE, DELETE ON downlink.display_policies, downlink.zone_counters
    TO downlink_dispatcher_request;
GRANT SELECT, INSERT, UPDATE ON downlink.displays, downlink.downlinks TO downlink_dispatcher_request;
GRANT SELECT, INSERT ON downlink.downlink_steps, downlink.inbox TO downlink_dispatcher_request;
GRANT SELECT ON downlink.gateways TO downlink_dispatcher_request;
GRANT SELECT, UPDATE (requested_at) ON downlink.sync_rounds TO downlink_dispatcher_request;

-- A round tells how much there is of all tenants: requests of the platform's admin alone see it or ask for one.
ALTER TABLE downlink.sync_rounds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY rounds ON downlink.sync_rounds TO downlink_dispatcher USING (true);
CREATE POLICY asked_by_admin ON downlink.sync_rounds TO downlink_dispatcher_request, api_gateway_request
    USING ((SELECT gateway.is_platform_admin()));

-- To the gateway's requests.
CREATE VIEW downlink.policy_directory WITH (security_invoker = true) AS
SELECT tenant_id, state, colour, on_centiseconds, off_centiseconds, updated_at FROM downlink.display_policies;

CREATE VIEW downlink.display_directory WITH (security_invoker = true) AS
SELECT d.tenant_id, d.dev_eui, d.codec, d.space_id, d.desired, d.desired_version, d.desired_f_port, d.desired_payload,
       d.desired_cause, d.desired_at, d.sent_version, d.sent_at, d.due_at, d.gateway_id, d.reported, d.reported_at,
       d.is_right, d.joined_at, d.mended, d.created_at, c.site_id AS counter_site_id, c.zone AS counter_zone,
       CASE WHEN d.desired IS NULL THEN 'idle'
            WHEN d.sent_version < d.desired_version THEN 'waiting'
            WHEN d.is_right THEN 'confirmed'
            WHEN NOT d.is_right THEN 'wrong'
            ELSE 'sent' END AS truth
FROM downlink.displays d
LEFT JOIN LATERAL (
    SELECT site_id, zone FROM downlink.zone_counters z
    WHERE z.tenant_id = d.tenant_id AND z.dev_eui = d.dev_eui LIMIT 1
) c ON true;

CREATE VIEW downlink.downlink_directory WITH (security_invoker = true) AS
SELECT tenant_id, id, dev_eui, space_id, kind, version, f_port, payload, confirmed, command, cause, requested_by,
       request_id, status, attempts, next_attempt_at, last_error, queue_item_id, f_cnt_down, gateway_id, created_at,
       expires_at, sent_at, transmitted_at, acknowledged_at, ended_at
FROM downlink.downlinks;

CREATE VIEW downlink.step_history WITH (security_invoker = true) AS
SELECT tenant_id, downlink_id, n, at, status, detail FROM downlink.downlink_steps;

CREATE VIEW downlink.gateway_directory WITH (security_invoker = true) AS
SELECT tenant_id, gateway_id, name, description, latitude, longitude, altitude, state, last_seen_at, received_24h,
       sent_24h, synced_at
FROM downlink.gateways;

CREATE VIEW downlink.sync_status WITH (security_invoker = true) AS
SELECT requested_at, began_at, ended_at, error, devices, gateways FROM downlink.sync_rounds;

GRANT SELECT (tenant_id, state, colour, on_centiseconds, off_centiseconds, updated_at)
    ON downlink.display_policies TO api_gateway_request;
GRANT SELECT (tenant_id, dev_eui, codec, space_id, desired, desired_version, desired_f_port, desired_payload,
              desired_cause, desired_at, sent_version, sent_at, due_at, gateway_id, reported, reported_at, is_right,
              joined_at, mended, created_at)
    ON downlink.displays TO api_gateway_request;
GRANT SELECT (tenant_id, dev_eui, site_id, zone) ON downlink.zone_counters TO api_gateway_request;
GRANT SELECT (tenant_id, id, dev_eui, space_id, kind, version, f_port, payload, confirmed, command, cause,
              requested_by, request_id, status, attempts, next_attempt_at, last_error, queue_item_id, f_cnt_down,
              gateway_id, created_at, expires_at, sent_at, transmitted_at, acknowledged_at, ended_at)
    ON downlink.downlinks TO api_gateway_request;
GRANT SELECT (tenant_id, downlink_id, n, at, status, detail) ON downlink.downlink_steps TO api_gateway_request;
GRANT SELECT (tenant_id, gateway_id, name, description, latitude, longitude, altitude, state, last_seen_at,
              received_24h, sent_24h, synced_at)
    ON downlink.gateways TO api_gateway_request;
GRANT SELECT (requested_at, began_at, ended_at, error, devices, gateways) ON downlink.sync_rounds
    TO api_gateway_request;
GRANT SELECT ON downlink.policy_directory, downlink.display_directory, downlink.downlink_directory,
    downlink.step_history, downlink.gateway_directory, downlink.sync_status TO api_gateway_request;
-- Its commands answer a display as the gateway shows it.
GRANT SELECT ON downlink.display_directory TO downlink_dispatcher_request;
DO $$
DECLARE
    told text;
BEGIN
    FOREACH told IN ARRAY ARRAY['display_policies', 'displays', 'zone_counters', 'downlinks', 'downlink_steps',
                                'gateways'] LOOP
        EXECUTE format('CREATE POLICY readers_of_one_tenant ON downlink.%I FOR SELECT TO api_gateway_request '
                       'USING (tenant_id = (SELECT gateway.current_tenant()))', told);
    END LOOP;
END
$$;
