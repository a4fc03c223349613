-- owner: occupancy_engine
-- The histories: what devices said, what happened, what was shown; and the frames nobody could place yet.
SET LOCAL lock_timeout = '5s';

-- (session_at, f_cnt) is a reading's place in its device's life; no unique key can span the partitions, so duplicates
-- are found under the device's row lock.
CREATE TABLE occupancy.sensor_readings (
    tenant_id           uuid NOT NULL,
    dev_eui             text NOT NULL,
    session_at          timestamptz NOT NULL,
    f_cnt               bigint NOT NULL,
    received_at         timestamptz NOT NULL,
    occurred_at         timestamptz NOT NULL,
    space_id            uuid,
    occupied            boolean,
    f_port              smallint NOT NULL,
    payload             bytea NOT NULL,
    object              jsonb,
    codec               text,
    decode_error        text,
    battery_volts       real,
    battery_percent     real,
    temperature_celsius real,
    attributes          jsonb,
    receptions          jsonb
) PARTITION BY RANGE (received_at);
CREATE INDEX sensor_readings_order ON occupancy.sensor_readings (tenant_id, dev_eui, session_at, f_cnt);
CREATE TABLE occupancy.sensor_readings_other PARTITION OF occupancy.sensor_readings DEFAULT;

-- A stay is known by the reading that began it. `departed_at` without a departing reading: the sensor was taken off.
CREATE TABLE occupancy.stays (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL DEFAULT uuidv7(),
    space_id         uuid NOT NULL,
    dev_eui          text NOT NULL,
    arrived_at       timestamptz NOT NULL,
    departed_at      timestamptz,
    arrived_session  timestamptz NOT NULL,
    arrived_f_cnt    bigint NOT NULL,
    departed_session timestamptz,
    departed_f_cnt   bigint,
    received_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, space_id) REFERENCES occupancy.spaces (tenant_id, id),
    CHECK (departed_at >= arrived_at)
) WITH (fillfactor = 80);
CREATE INDEX stays_of_space ON occupancy.stays (tenant_id, space_id, arrived_at);
CREATE INDEX stays_in_order ON occupancy.stays (tenant_id, space_id, dev_eui, arrived_session, arrived_f_cnt);
CREATE INDEX stays_received ON occupancy.stays USING brin (received_at);

CREATE TYPE occupancy.stay_ended AS (
    tenant_id uuid, id uuid, departed_at timestamptz, departed_session timestamptz, departed_f_cnt bigint
);

CREATE TABLE occupancy.state_changes (
    tenant_id   uuid NOT NULL,
    space_id    uuid NOT NULL,
    version     bigint NOT NULL,
    previous    text NOT NULL,
    state       text NOT NULL,
    layer       text NOT NULL,
    reason      text NOT NULL,
    source      text NOT NULL,
    cause       text NOT NULL,
    request_id  text,
    occurred_at timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, space_id, version, changed_at)
) PARTITION BY RANGE (changed_at);
CREATE TABLE occupancy.state_changes_other PARTITION OF occupancy.state_changes DEFAULT;

-- No tenant: the platform's admin alone sees what belongs to nobody yet.
CREATE TABLE occupancy.orphan_frames (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text NOT NULL,
    application_id   text NOT NULL,
    dev_eui          text NOT NULL,
    deduplication_id text NOT NULL,
    reason           text NOT NULL CHECK (reason IN ('unknown_application', 'no_codec')),
    envelope         bytea NOT NULL,
    received_at      timestamptz NOT NULL,
    UNIQUE (source, application_id, dev_eui, deduplication_id)
);
CREATE INDEX orphan_frames_received ON occupancy.orphan_frames (received_at);

-- How far each source has been heard and handled; `resumed_at` is the end of its last outage.
CREATE TABLE occupancy.source_watermarks (
    source      text PRIMARY KEY,
    heard_until timestamptz NOT NULL,
    resumed_at  timestamptz NOT NULL
);

CALL gateway.isolate('occupancy.sensor_readings', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.stays', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.state_changes', '{occupancy_engine_request}', '{occupancy_engine}');
-- A partition asked for by its own name is under its own policies: the engine's retention alone may.
CALL gateway.isolate('occupancy.sensor_readings_other', '{}', ARRAY['occupancy_engine', current_user]);
CALL gateway.isolate('occupancy.state_changes_other', '{}', ARRAY['occupancy_engine', current_user]);
ALTER TABLE occupancy.orphan_frames ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_frames ON occupancy.orphan_frames TO occupancy_engine USING (true);
-- A tenant's command may take in what waits for its own devices' codecs; the rest is the platform admin's.
CREATE POLICY own_or_admin ON occupancy.orphan_frames TO occupancy_engine_request USING (
    (SELECT gateway.is_platform_admin()) OR EXISTS (
        SELECT FROM occupancy.applications a
        WHERE a.source = orphan_frames.source AND a.application_id = orphan_frames.application_id
          AND a.tenant_id = (SELECT gateway.current_tenant())));
GRANT SELECT, INSERT, UPDATE, DELETE
    ON occupancy.sensor_readings, occupancy.stays, occupancy.orphan_frames
    TO occupancy_engine, occupancy_engine_request;
GRANT SELECT, INSERT, UPDATE, DELETE ON occupancy.source_watermarks TO occupancy_engine;
GRANT SELECT, INSERT ON occupancy.state_changes TO occupancy_engine, occupancy_engine_request;
-- For retention alone.
GRANT SELECT, DELETE ON occupancy.sensor_readings_other, occupancy.state_changes_other TO occupancy_engine;

-- Partition upkeep is the owner's right; the engine may only ask for it. `keep` null keeps everything. Rows that came
-- before their partition move into it: with them in the default partition, PostgreSQL refuses to make it.
CREATE FUNCTION occupancy.keep_partitions(parent text, unit text, ahead integer, keep interval)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    step    interval := ('1 ' || unit)::interval;
    key     text := CASE parent WHEN 'sensor_readings' THEN 'received_at' WHEN 'state_changes' THEN 'changed_at' END;
    lower_  timestamptz := date_trunc(unit, now());
    changed integer := 0;
    name_   text;
    old     record;
BEGIN
    IF key IS NULL THEN
        RAISE EXCEPTION 'no upkeep for %', parent;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('occupancy.keep_partitions'));
    FOR i IN 0 .. ahead LOOP
        name_ := parent || to_char(lower_, '_YYYYMMDD');
        IF to_regclass('occupancy.' || quote_ident(name_)) IS NULL THEN
            EXECUTE format('CREATE TABLE occupancy.%I (LIKE occupancy.%I INCLUDING ALL)', name_, parent);
            -- Nobody adds to the default partition between the move and the attachment.
            EXECUTE format('LOCK TABLE occupancy.%I IN ACCESS EXCLUSIVE MODE', parent || '_other');
            EXECUTE format('WITH moved AS (DELETE FROM occupancy.%I WHERE %I >= %L AND %I < %L RETURNING *) '
                           'INSERT INTO occupancy.%I SELECT * FROM moved',
                           parent || '_other', key, lower_, key, lower_ + step, name_);
            -- Through its parent a partition is under the parent's policies; by its own name nobody reads it.
            EXECUTE format('ALTER TABLE occupancy.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name_);
            EXECUTE format('ALTER TABLE occupancy.%I ATTACH PARTITION occupancy.%I FOR VALUES FROM (%L) TO (%L)',
                           parent, name_, lower_, lower_ + step);
            changed := changed + 1;
        END IF;
        lower_ := lower_ + step;
    END LOOP;
    FOR old IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = ('occupancy.' || quote_ident(parent))::regclass
          AND c.relname ~ ('^' || parent || '_\d{8}$')
          AND keep IS NOT NULL
          AND to_timestamp(right(c.relname, 8), 'YYYYMMDD') + step < now() - keep
    LOOP
        EXECUTE format('DROP TABLE occupancy.%I', old.relname);
        changed := changed + 1;
    END LOOP;
    RETURN changed;
END
$$;
REVOKE ALL ON FUNCTION occupancy.keep_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION occupancy.keep_partitions TO occupancy_engine;
SELECT occupancy.keep_partitions('sensor_readings', 'day', 3, NULL);
SELECT occupancy.keep_partitions('state_changes', 'month', 2, NULL);
