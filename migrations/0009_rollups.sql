-- owner: occupancy_engine
-- Figures of the past, from stays: per local day of a site, its zones and kinds (in quarter hours, with a histogram of
-- dwell) and its spaces. One engine at a time computes them; docs/decisions/0011 has the why.
SET LOCAL lock_timeout = '5s';

-- Where a space stood, and whether a sensor watched it: what happened stays with the place where it happened. A space's
-- first row also takes what a recording brings from before the space was made.
CREATE TABLE occupancy.space_placements (
    tenant_id uuid NOT NULL,
    space_id  uuid NOT NULL,
    from_at   timestamptz NOT NULL,
    until_at  timestamptz NOT NULL DEFAULT 'infinity',
    site_id   uuid NOT NULL,
    zone      text NOT NULL,  -- '' is no zone
    kind      text NOT NULL,
    watched   boolean NOT NULL,
    first     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, space_id, from_at),
    FOREIGN KEY (tenant_id, space_id) REFERENCES occupancy.spaces (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX space_placements_of_site ON occupancy.space_placements (tenant_id, site_id, until_at);

-- A trigger, so that whoever writes spaces cannot forget it. The columns that uplinks write do not fire it. The clock,
-- not the transaction's beginning: under the space's row lock it only goes forward.
CREATE FUNCTION occupancy.note_placement() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment timestamptz := CASE TG_OP WHEN 'INSERT' THEN NEW.created_at ELSE clock_timestamp() END;
BEGIN
    IF TG_OP = 'UPDATE' AND
       (OLD.site_id, coalesce(OLD.zone, ''), OLD.kind, OLD.sensor_eui IS NULL, OLD.deleted_at IS NULL) =
       (NEW.site_id, coalesce(NEW.zone, ''), NEW.kind, NEW.sensor_eui IS NULL, NEW.deleted_at IS NULL)
    THEN
        RETURN NULL;
    END IF;
    UPDATE occupancy.space_placements p SET until_at = greatest(p.from_at, moment)
    WHERE p.tenant_id = NEW.tenant_id AND p.space_id = NEW.id AND p.until_at = 'infinity';
    IF NEW.deleted_at IS NULL THEN
        INSERT INTO occupancy.space_placements (tenant_id, space_id, from_at, site_id, zone, kind, watched, first)
        VALUES (NEW.tenant_id, NEW.id, moment, NEW.site_id, coalesce(NEW.zone, ''), NEW.kind,
                NEW.sensor_eui IS NOT NULL, TG_OP = 'INSERT');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_placement AFTER INSERT OR UPDATE OF site_id, zone, kind, sensor_eui, deleted_at
    ON occupancy.spaces FOR EACH ROW EXECUTE FUNCTION occupancy.note_placement();

-- What ended or mended stays leave behind, in their own transaction: between these moments the space's figures are
-- stale. Nothing is unique but the number, so that writers never wait for the clock that works it off.
CREATE TABLE occupancy.rollup_queue (
    tenant_id uuid NOT NULL,
    id        bigint GENERATED ALWAYS AS IDENTITY,
    space_id  uuid NOT NULL,
    from_at   timestamptz NOT NULL,
    until_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- The local days to compute again, a row per site, zone, kind and day. The clock alone writes it.
CREATE TABLE occupancy.rollup_days_due (
    tenant_id uuid NOT NULL,
    site_id   uuid NOT NULL,
    day       date NOT NULL,
    zone      text NOT NULL,
    kind      text NOT NULL,
    PRIMARY KEY (tenant_id, site_id, day, zone, kind)
);

-- Up to when each site's days have been asked for, and in which time zone they were cut: in another they are cut anew.
CREATE TABLE occupancy.rollup_sites (
    tenant_id uuid NOT NULL,
    site_id   uuid NOT NULL,
    time_zone text NOT NULL,
    due_until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, site_id)
);

-- The running stays as they are counted: until now (null), or until the last word of a silent or recorded sensor.
CREATE TABLE occupancy.rollup_running_stays (
    tenant_id     uuid NOT NULL,
    stay_id       uuid NOT NULL,
    space_id      uuid NOT NULL,
    counted_until timestamptz,
    PRIMARY KEY (tenant_id, stay_id)
);
CREATE INDEX rollup_running_stays_of_space ON occupancy.rollup_running_stays (tenant_id, space_id);

-- A local day of a whole site, of one of its zones, of one kind, or of both: a question is answered from one row per
-- day whatever it asks for. `zone` and `kind` are '' where the level does not tell them apart (and for no zone).
-- Arrays: seconds per quarter hour since `starts_at` (92 to 100 of them), per local hour, and dwell as a logarithmic
-- histogram (bucket n holds stays over 1.1^(n-1) up to 1.1^n seconds), which adds up over days and places.
CREATE TABLE occupancy.zone_days (
    tenant_id        uuid NOT NULL,
    level            text NOT NULL CHECK (level IN ('site', 'zone', 'kind', 'zone_kind')),
    site_id          uuid NOT NULL,
    zone             text NOT NULL,
    kind             text NOT NULL,
    day              date NOT NULL,
    time_zone        text NOT NULL,
    starts_at        timestamptz NOT NULL,
    ends_at          timestamptz NOT NULL,
    computed_until   timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL DEFAULT now(),
    occupied_seconds bigint NOT NULL,
    watched_seconds  bigint NOT NULL,
    arrivals         integer NOT NULL,
    departures       integer NOT NULL,
    dwell_seconds    bigint NOT NULL,
    peak_at          timestamptz,
    peak_occupied    integer NOT NULL,
    peak_watched     integer NOT NULL,
    quarter_occupied integer[] NOT NULL,
    quarter_watched  integer[] NOT NULL,
    hour_occupied    integer[] NOT NULL,
    hour_watched     integer[] NOT NULL,
    dwell_buckets    smallint[] NOT NULL,
    dwell_counts     integer[] NOT NULL,
    PRIMARY KEY (tenant_id, level, site_id, zone, kind, day)
) WITH (fillfactor = 80);
CREATE INDEX zone_days_of_site ON occupancy.zone_days (tenant_id, site_id, day);
CREATE INDEX zone_days_updated ON occupancy.zone_days USING brin (updated_at);

-- A local day of a space, at the place where it stood; a space that moved that day has two.
CREATE TABLE occupancy.space_days (
    tenant_id        uuid NOT NULL,
    space_id         uuid NOT NULL,
    day              date NOT NULL,
    site_id          uuid NOT NULL,
    zone             text NOT NULL,
    kind             text NOT NULL,
    updated_at       timestamptz NOT NULL DEFAULT now(),
    occupied_seconds integer NOT NULL,
    watched_seconds  integer NOT NULL,
    arrivals         integer NOT NULL,
    departures       integer NOT NULL,
    dwell_seconds    bigint NOT NULL,
    PRIMARY KEY (tenant_id, site_id, day, zone, kind, space_id)
) WITH (fillfactor = 80);
CREATE INDEX space_days_updated ON occupancy.space_days USING brin (updated_at);

CALL gateway.isolate('occupancy.space_placements', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.rollup_queue', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.rollup_days_due', '{}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.rollup_sites', '{}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.rollup_running_stays', '{}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.zone_days', '{}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.space_days', '{}', '{occupancy_engine}');
GRANT SELECT, INSERT, UPDATE ON occupancy.space_placements TO occupancy_engine, occupancy_engine_request;
GRANT INSERT ON occupancy.rollup_queue TO occupancy_engine, occupancy_engine_request;
GRANT SELECT, DELETE ON occupancy.rollup_queue TO occupancy_engine;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON occupancy.rollup_days_due, occupancy.rollup_sites, occupancy.rollup_running_stays, occupancy.zone_days,
       occupancy.space_days
    TO occupancy_engine;

-- What was shown at an instant is the last change before it: by time within a space, at no price to the writers.
ALTER TABLE occupancy.state_changes DROP CONSTRAINT state_changes_pkey;
ALTER TABLE occupancy.state_changes ADD PRIMARY KEY (tenant_id, space_id, changed_at, version);

-- What the gateway may read of it.
CREATE VIEW occupancy.placement_history WITH (security_invoker = true) AS
SELECT tenant_id, space_id, from_at, until_at, site_id, NULLIF(zone, '') AS zone, kind, watched, first
FROM occupancy.space_placements;

CREATE VIEW occupancy.zone_day_rollups WITH (security_invoker = true) AS
SELECT tenant_id, level, site_id, zone, kind, day, time_zone, starts_at, ends_at, computed_until, occupied_seconds,
       watched_seconds, arrivals, departures, dwell_seconds, peak_at, peak_occupied, peak_watched, quarter_occupied,
       quarter_watched, hour_occupied, hour_watched, dwell_buckets, dwell_counts
FROM occupancy.zone_days;

CREATE VIEW occupancy.space_day_rollups WITH (security_invoker = true) AS
SELECT tenant_id, space_id, day, site_id, zone, kind, occupied_seconds, watched_seconds, arrivals, departures,
       dwell_seconds
FROM occupancy.space_days;

GRANT SELECT (tenant_id, space_id, from_at, until_at, site_id, zone, kind, watched, first)
    ON occupancy.space_placements TO api_gateway_request;
GRANT SELECT (tenant_id, level, site_id, zone, kind, day, time_zone, starts_at, ends_at, computed_until,
              occupied_seconds, watched_seconds, arrivals, departures, dwell_seconds, peak_at, peak_occupied,
              peak_watched, quarter_occupied, quarter_watched, hour_occupied, hour_watched, dwell_buckets,
              dwell_counts)
    ON occupancy.zone_days TO api_gateway_request;
GRANT SELECT (tenant_id, space_id, day, site_id, zone, kind, occupied_seconds, watched_seconds, arrivals, departures,
              dwell_seconds)
    ON occupancy.space_days TO api_gateway_request;
GRANT SELECT ON occupancy.placement_history, occupancy.zone_day_rollups, occupancy.space_day_rollups
    TO api_gateway_request;
DO $$
DECLARE
    figures text;
BEGIN
    FOREACH figures IN ARRAY ARRAY['space_placements', 'zone_days', 'space_days'] LOOP
        EXECUTE format('CREATE POLICY readers_of_one_tenant ON occupancy.%I FOR SELECT TO api_gateway_request '
                       'USING (tenant_id = (SELECT gateway.current_tenant()))', figures);
    END LOOP;
END
$$;
