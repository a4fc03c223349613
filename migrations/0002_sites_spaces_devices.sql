-- owner: occupancy_engine
-- The nouns: sites, application bindings, devices, spaces.
SET LOCAL lock_timeout = '5s';

CREATE SCHEMA occupancy;
GRANT USAGE ON SCHEMA occupancy TO occupancy_engine, occupancy_engine_request;

CREATE TABLE occupancy.sites (
    tenant_id  uuid NOT NULL REFERENCES gateway.tenants,
    id         uuid NOT NULL DEFAULT uuidv7(),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    time_zone  text NOT NULL,
    latitude   double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude  double precision CHECK (longitude BETWEEN -180 AND 180),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);

-- An application of one source belongs to one tenant at a time.
CREATE TABLE occupancy.applications (
    source         text NOT NULL,
    application_id text NOT NULL,
    tenant_id      uuid NOT NULL REFERENCES gateway.tenants,
    clock          text NOT NULL DEFAULT 'live' CHECK (clock IN ('live', 'recorded')),
    object_mapping jsonb,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, application_id)
);
CREATE INDEX applications_of_tenant ON occupancy.applications (tenant_id);

-- One row per device and tenant, updated by every uplink: hot columns carry no index and the pages leave room, so
-- that updates stay heap-only.
CREATE TABLE occupancy.devices (
    tenant_id           uuid NOT NULL REFERENCES gateway.tenants,
    dev_eui             text NOT NULL CHECK (dev_eui ~ '^[0-9a-f]{16}$'),
    name                text NOT NULL DEFAULT '',
    codec               text,
    heartbeat_seconds   integer CHECK (heartbeat_seconds > 0),
    confirm_seconds     integer NOT NULL DEFAULT 0 CHECK (confirm_seconds >= 0),
    created_at          timestamptz NOT NULL DEFAULT now(),
    -- as last heard
    source              text,
    application_id      text,
    profile_name        text NOT NULL DEFAULT '',
    codec_in_use        text,
    interval_seconds    integer,
    silence_seconds     integer,
    last_seen_at        timestamptz,
    -- the LoRaWAN session and the last four before it
    dev_addr            text,
    session_at          timestamptz,
    f_cnt_highest       bigint,
    f_cnt_bitmap        bigint NOT NULL DEFAULT 0,
    highest_at          timestamptz,
    past_sessions       jsonb NOT NULL DEFAULT '[]',
    -- the sensor layer, and the place of the newest reading that said something about it
    occupied            boolean,
    occupied_since      timestamptz,
    newest_occupied     boolean,
    reading_session_at  timestamptz,
    reading_f_cnt       bigint,
    reading_occurred_at timestamptz,
    reading_received_at timestamptz,
    silent              boolean NOT NULL DEFAULT false,
    pending_occupied    boolean,
    pending_since       timestamptz,
    pending_due_at      timestamptz,
    assigned_at         timestamptz,
    space_id            uuid,  -- whose sensor it is: kept by the space's own trigger
    open_stay_id        uuid,
    -- health
    battery_volts       real,
    battery_percent     real,
    temperature_celsius real,
    rssi                smallint,
    snr                 real,
    margin_db           smallint,
    external_power      boolean,
    flap_score          real NOT NULL DEFAULT 0,
    flap_at             timestamptz,
    decoder_errors      integer NOT NULL DEFAULT 0,
    network_errors      integer NOT NULL DEFAULT 0,
    last_error          text,
    latitude            double precision,
    longitude           double precision,
    PRIMARY KEY (tenant_id, dev_eui)
) WITH (fillfactor = 50);
CREATE INDEX devices_by_eui ON occupancy.devices (dev_eui);

CREATE TABLE occupancy.spaces (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL DEFAULT uuidv7(),
    site_id           uuid NOT NULL,
    code              text NOT NULL CHECK (length(code) BETWEEN 1 AND 20),
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    kind              text NOT NULL DEFAULT 'standard'
                      CHECK (kind IN ('standard', 'accessible', 'ev', 'loading', 'permit')),
    building          text CHECK (length(building) <= 100),
    floor             text CHECK (length(floor) <= 20),
    zone              text CHECK (length(zone) <= 50),
    latitude          double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude         double precision CHECK (longitude BETWEEN -180 AND 180),
    sensor_eui        text CHECK (sensor_eui ~ '^[0-9a-f]{16}$'),
    display_eui       text CHECK (display_eui ~ '^[0-9a-f]{16}$'),
    metadata          jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    deleted_at        timestamptz,
    -- the layers, highest first
    override_state    text CHECK (override_state IN ('occupied', 'reserved', 'maintenance', 'unknown')),
    override_reason   text NOT NULL DEFAULT '',
    override_since    timestamptz,
    override_until    timestamptz,
    sensor_heard      boolean NOT NULL DEFAULT false,
    sensor_occupied   boolean,
    sensor_since      timestamptz,
    sensor_silent     boolean NOT NULL DEFAULT false,
    reservation_id    uuid,
    reservation_since timestamptz,
    reservation_until timestamptz,
    released_last     uuid[] NOT NULL DEFAULT '{}',
    -- what they come to
    state             text NOT NULL
                      CHECK (state IN ('free', 'occupied', 'reserved', 'maintenance', 'unknown')),
    state_layer       text NOT NULL
                      CHECK (state_layer IN ('override', 'sensor', 'reservation', 'silence', 'default')),
    state_reason      text NOT NULL DEFAULT '',
    state_since       timestamptz NOT NULL,
    version           bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, site_id) REFERENCES occupancy.sites (tenant_id, id),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX spaces_live_code ON occupancy.spaces (tenant_id, site_id, code) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX spaces_live_sensor ON occupancy.spaces (tenant_id, sensor_eui)
    WHERE deleted_at IS NULL AND sensor_eui IS NOT NULL;
CREATE UNIQUE INDEX spaces_live_display ON occupancy.spaces (tenant_id, display_eui)
    WHERE deleted_at IS NULL AND display_eui IS NOT NULL;
CREATE INDEX spaces_by_position ON occupancy.spaces (tenant_id, latitude, longitude)
    WHERE deleted_at IS NULL AND latitude IS NOT NULL;
CREATE INDEX spaces_override_until ON occupancy.spaces (override_until) WHERE override_until IS NOT NULL;
CREATE INDEX spaces_reservation_until ON occupancy.spaces (reservation_until) WHERE reservation_until IS NOT NULL;

-- A device's row says whose sensor it is, so that a batch of uplinks reads it with the row that it locks anyway. Who
-- gives a space another sensor holds the rows of both devices.
CREATE FUNCTION occupancy.remember_sensor() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.sensor_eui IS NOT NULL THEN
        UPDATE occupancy.devices SET space_id = NULL
        WHERE tenant_id = OLD.tenant_id AND dev_eui = OLD.sensor_eui AND space_id = OLD.id;
    END IF;
    IF NEW.sensor_eui IS NOT NULL AND NEW.deleted_at IS NULL THEN
        UPDATE occupancy.devices SET space_id = NEW.id
        WHERE tenant_id = NEW.tenant_id AND dev_eui = NEW.sensor_eui;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER remember_sensor AFTER INSERT OR UPDATE OF sensor_eui, deleted_at ON occupancy.spaces
FOR EACH ROW EXECUTE FUNCTION occupancy.remember_sensor();

-- What a batch writes back of a device: every uplink moves the first, few change the second. Rows come as one array.
CREATE TYPE occupancy.device_moved AS (
    tenant_id uuid, dev_eui text,
    last_seen_at timestamptz, f_cnt_highest bigint, f_cnt_bitmap bigint, highest_at timestamptz,
    reading_f_cnt bigint, reading_occurred_at timestamptz, reading_received_at timestamptz,
    battery_volts real, battery_percent real, temperature_celsius real, rssi smallint, snr real
);
CREATE TYPE occupancy.device_changed AS (
    tenant_id uuid, dev_eui text,
    last_seen_at timestamptz, f_cnt_highest bigint, f_cnt_bitmap bigint, highest_at timestamptz,
    reading_f_cnt bigint, reading_occurred_at timestamptz, reading_received_at timestamptz,
    battery_volts real, battery_percent real, temperature_celsius real, rssi smallint, snr real,
    source text, application_id text, name text, profile_name text, codec_in_use text,
    interval_seconds integer, silence_seconds integer, dev_addr text, session_at timestamptz, occupied boolean,
    occupied_since timestamptz, newest_occupied boolean, reading_session_at timestamptz, silent boolean,
    pending_occupied boolean, pending_since timestamptz, pending_due_at timestamptz, open_stay_id uuid,
    flap_score real, flap_at timestamptz, decoder_errors integer, last_error text, past_sessions jsonb
);
CREATE TYPE occupancy.space_sensed AS (
    tenant_id uuid, id uuid, sensor_occupied boolean, sensor_since timestamptz, sensor_silent boolean,
    state text, state_layer text, state_reason text, state_since timestamptz, version bigint
);

CALL gateway.isolate('occupancy.sites', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.devices', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.spaces', '{occupancy_engine_request}', '{occupancy_engine}');
CALL gateway.isolate('occupancy.applications', '{occupancy_engine_request}', '{occupancy_engine}');
-- Who binds an application must see that it is another tenant's already.
CREATE POLICY platform_admin ON occupancy.applications TO occupancy_engine_request
    USING ((SELECT gateway.is_platform_admin()));
GRANT SELECT, INSERT, UPDATE, DELETE
    ON occupancy.sites, occupancy.applications, occupancy.devices, occupancy.spaces
    TO occupancy_engine, occupancy_engine_request;
