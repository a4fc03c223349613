-- owner: occupancy_engine
-- What other services may read of the engine's tables: nothing but these views.
SET LOCAL lock_timeout = '5s';

CREATE VIEW occupancy.site_directory AS
SELECT tenant_id, id, name, time_zone, latitude, longitude, created_at, updated_at, deleted_at
FROM occupancy.sites;

CREATE VIEW occupancy.space_directory AS
SELECT s.tenant_id, s.id, s.site_id, s.code, s.name, s.kind, s.building, s.floor, s.zone, s.latitude, s.longitude,
       s.sensor_eui, s.display_eui, s.metadata, s.state, s.state_layer, s.state_reason, s.state_since, s.version,
       s.override_state, s.override_reason, s.override_since, s.override_until,
       s.sensor_heard, s.sensor_occupied, s.sensor_since, s.sensor_silent,
       s.reservation_id, s.reservation_since, s.reservation_until,
       s.created_at, s.updated_at, s.deleted_at
FROM occupancy.spaces s;

CREATE VIEW occupancy.device_directory AS
SELECT d.tenant_id, d.dev_eui, d.name, d.profile_name, d.codec, d.codec_in_use, d.source, d.application_id,
       d.interval_seconds, d.last_seen_at, d.occupied, d.silent, d.battery_volts, d.battery_percent,
       -- the score halves every 10 min; six changes in quick succession are flapping
       coalesce(d.flap_score * power(0.5, extract(epoch FROM now() - d.flap_at) / 600) >= 6, false) AS flapping,
       d.temperature_celsius, d.rssi, d.snr, d.margin_db, d.external_power, d.decoder_errors,
       d.network_errors, d.last_error, d.latitude, d.longitude, s.id AS space_id
FROM occupancy.devices d
LEFT JOIN occupancy.spaces s
    ON s.tenant_id = d.tenant_id AND s.sensor_eui = d.dev_eui AND s.deleted_at IS NULL;

CREATE VIEW occupancy.stay_history AS
SELECT tenant_id, id, space_id, dev_eui, arrived_at, departed_at FROM occupancy.stays;

CREATE VIEW occupancy.state_history AS
SELECT tenant_id, space_id, version, previous, state, layer, reason, source, cause, request_id, occurred_at, changed_at
FROM occupancy.state_changes;

-- No tenant yet, or no codec: what was heard and not taken in, for the platform's admin. The frames themselves stay
-- hidden; the newest one says why they wait.
CREATE VIEW occupancy.orphan_directory AS
SELECT o.source, o.application_id, o.dev_eui, newest.reason, o.frames, o.first_received_at, o.last_received_at,
       -- what ChirpStack's own decoder said travels inside unread, and may be no JSON that PostgreSQL takes
       CASE WHEN pg_input_is_valid(convert_from(newest.envelope, 'UTF8'), 'jsonb')
            THEN convert_from(newest.envelope, 'UTF8')::jsonb ->> 'device_profile_name' END AS profile_name
FROM (
    SELECT source, application_id, dev_eui, count(*) AS frames, min(received_at) AS first_received_at,
           max(received_at) AS last_received_at, max(id) AS newest_id
    FROM occupancy.orphan_frames GROUP BY source, application_id, dev_eui
) o
JOIN occupancy.orphan_frames newest ON newest.id = o.newest_id;

CREATE VIEW occupancy.application_directory AS
SELECT source, application_id, tenant_id, clock, object_mapping, created_at FROM occupancy.applications;

GRANT USAGE ON SCHEMA occupancy TO api_gateway, reservation_service, downlink_dispatcher;
GRANT SELECT ON occupancy.space_directory, occupancy.site_directory
    TO api_gateway, reservation_service, downlink_dispatcher;
GRANT SELECT ON occupancy.device_directory, occupancy.stay_history, occupancy.state_history TO api_gateway;
GRANT SELECT ON occupancy.orphan_directory, occupancy.application_directory TO api_gateway;
GRANT SELECT ON occupancy.device_directory TO occupancy_engine;
