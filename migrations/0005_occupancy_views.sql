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

GRANT USAGE ON SCHEMA occupancy TO api_gateway, reservation_service, downlink_dispatcher;
GRANT SELECT ON occupancy.space_directory, occupancy.site_directory
    TO api_gateway, reservation_service, downlink_dispatcher;
GRANT SELECT ON occupancy.device_directory, occupancy.stay_history, occupancy.state_history TO api_gateway;
GRANT SELECT ON occupancy.device_directory TO occupancy_engine;
