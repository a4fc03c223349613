-- owner: occupancy_engine
-- Alerts: what is wrong with the devices of spaces, and what the engine measures to find it. And the way from a space to
-- its readings, for its timeline.
SET LOCAL lock_timeout = '5s';

-- `source` found it and `key` names it there: for the engine's own `<devEui>:<kind>`, so that a device has one open alert
-- of a kind. `kind` is not checked here: each source has its own.
CREATE TABLE occupancy.alerts (
    tenant_id       uuid NOT NULL REFERENCES gateway.tenants,
    id              uuid NOT NULL DEFAULT uuidv7(),
    source          text NOT NULL,
    key             text NOT NULL,
    kind            text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    dev_eui         text,
    space_id        uuid,
    summary         text NOT NULL,
    details         jsonb NOT NULL DEFAULT '{}',
    opened_at       timestamptz NOT NULL,
    closed_at       timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, space_id) REFERENCES occupancy.spaces (tenant_id, id),
    CHECK (closed_at >= opened_at),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
CREATE UNIQUE INDEX alerts_open ON occupancy.alerts (tenant_id, source, key) WHERE closed_at IS NULL;
CREATE INDEX alerts_newest ON occupancy.alerts (tenant_id, opened_at, id);
CREATE INDEX alerts_of_space ON occupancy.alerts (tenant_id, space_id, opened_at) WHERE space_id IS NOT NULL;
CREATE INDEX alerts_of_device ON occupancy.alerts (tenant_id, dev_eui, opened_at) WHERE dev_eui IS NOT NULL;
CREATE INDEX alerts_closed ON occupancy.alerts USING brin (closed_at);

-- What the engine remembers of a device beyond its row: how its error counters stood at the last look, and what its
-- readings came to when they were last measured. Written seldom, so that the row of every uplink stays narrow.
CREATE TABLE occupancy.device_conditions (
    tenant_id           uuid NOT NULL,
    dev_eui             text NOT NULL,
    decoder_errors_seen integer NOT NULL DEFAULT 0,
    decoder_errors_run  integer NOT NULL DEFAULT 0,
    decoder_errors_at   timestamptz,
    network_errors_seen integer NOT NULL DEFAULT 0,
    network_errors_run  integer NOT NULL DEFAULT 0,
    network_errors_at   timestamptz,
    measured_at         timestamptz,
    battery_unit        text CHECK (battery_unit IN ('percent', 'volts')),
    battery_per_day     real,
    battery_days_left   real,
    snr_median          real,
    rssi_median         real,
    frames_heard        integer,
    frames_missed       integer,
    PRIMARY KEY (tenant_id, dev_eui),
    FOREIGN KEY (tenant_id, dev_eui) REFERENCES occupancy.devices (tenant_id, dev_eui) ON DELETE CASCADE
);

-- Engines take turns at looking, a round at a time. No tenant: it is one clock for all of them.
CREATE TABLE occupancy.alert_rounds (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    begun_at timestamptz NOT NULL
);
INSERT INTO occupancy.alert_rounds (begun_at) VALUES ('-infinity');

CALL gateway.isolate('occupancy.alerts', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.device_conditions', '{}', '{occupancy_engine}');
GRANT SELECT, INSERT, UPDATE, DELETE ON occupancy.alerts, occupancy.device_conditions TO occupancy_engine;
GRANT SELECT, UPDATE (acknowledged_at, acknowledged_by, note) ON occupancy.alerts TO occupancy_engine_request;
GRANT SELECT, UPDATE ON occupancy.alert_rounds TO occupancy_engine;

-- The newest changes of a tenant.
CREATE INDEX state_changes_newest ON occupancy.state_changes (tenant_id, changed_at);

CREATE INDEX sensor_readings_of_space ON occupancy.sensor_readings (tenant_id, space_id, received_at)
    WHERE space_id IS NOT NULL;

-- To the gateway's requests: alerts, what was measured, and readings as they came.
CREATE VIEW occupancy.alert_directory WITH (security_invoker = true) AS
SELECT a.tenant_id, a.id, a.source, a.key, a.kind, a.severity, a.dev_eui, a.space_id, a.summary, a.details, a.opened_at,
       a.closed_at, a.acknowledged_at, a.acknowledged_by, a.note,
       CASE WHEN a.closed_at IS NOT NULL THEN 'closed' WHEN a.acknowledged_at IS NOT NULL THEN 'acknowledged'
            ELSE 'open' END AS state
FROM occupancy.alerts a;

CREATE VIEW occupancy.device_measures WITH (security_invoker = true) AS
SELECT tenant_id, dev_eui, measured_at, battery_unit, battery_per_day, battery_days_left
FROM occupancy.device_conditions;

CREATE VIEW occupancy.reading_history WITH (security_invoker = true) AS
SELECT tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, space_id, occupied, f_port, payload, object,
       codec, decode_error, battery_volts, battery_percent, temperature_celsius, attributes, receptions
FROM occupancy.sensor_readings;

GRANT SELECT (tenant_id, id, source, key, kind, severity, dev_eui, space_id, summary, details, opened_at, closed_at,
              acknowledged_at, acknowledged_by, note)
    ON occupancy.alerts TO api_gateway_request;
GRANT SELECT (tenant_id, dev_eui, measured_at, battery_unit, battery_per_day, battery_days_left)
    ON occupancy.device_conditions TO api_gateway_request;
GRANT SELECT (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, space_id, occupied, f_port, payload,
              object, codec, decode_error, battery_volts, battery_percent, temperature_celsius, attributes, receptions)
    ON occupancy.sensor_readings TO api_gateway_request;
GRANT SELECT ON occupancy.alert_directory, occupancy.device_measures, occupancy.reading_history
    TO api_gateway_request;
DO $$
DECLARE
    told text;
BEGIN
    FOREACH told IN ARRAY ARRAY['alerts', 'device_conditions', 'sensor_readings'] LOOP
        EXECUTE format('CREATE POLICY readers_of_one_tenant ON occupancy.%I FOR SELECT TO api_gateway_request '
                       'USING (tenant_id = (SELECT gateway.current_tenant()))', told);
    END LOOP;
END
$$;
