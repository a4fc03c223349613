-- owner: occupancy_engine
-- What other services may read of the engine's tables: these views. They run with the reader's own rights
-- (security_invoker), so that row-level security binds the reader: it needs SELECT on just the columns a view names, and
-- a policy on its table.
SET LOCAL lock_timeout = '5s';

CREATE VIEW occupancy.site_directory WITH (security_invoker = true) AS
SELECT tenant_id, id, name, time_zone, latitude, longitude, created_at, updated_at, deleted_at
FROM occupancy.sites;

CREATE VIEW occupancy.space_directory WITH (security_invoker = true) AS
SELECT s.tenant_id, s.id, s.site_id, s.code, s.name, s.kind, s.building, s.floor, s.zone, s.latitude, s.longitude,
       s.sensor_eui, s.display_eui, s.metadata, s.state, s.state_layer, s.state_reason, s.state_since, s.version,
       s.override_state, s.override_reason, s.override_since, s.override_until,
       s.sensor_heard, s.sensor_occupied, s.sensor_since, s.sensor_silent,
       s.reservation_id, s.reservation_since, s.reservation_until,
       s.created_at, s.updated_at, s.deleted_at
FROM occupancy.spaces s;

CREATE VIEW occupancy.device_directory WITH (security_invoker = true) AS
SELECT d.tenant_id, d.dev_eui, d.name, d.profile_name, d.codec, d.codec_in_use, d.source, d.application_id,
       d.interval_seconds, d.last_seen_at, d.occupied, d.silent, d.battery_volts, d.battery_percent,
       -- the score halves every 10 min; six changes in quick succession are flapping
       coalesce(d.flap_score * power(0.5, extract(epoch FROM now() - d.flap_at) / 600) >= 6, false) AS flapping,
       d.temperature_celsius, d.rssi, d.snr, d.margin_db, d.external_power, d.decoder_errors,
       d.network_errors, d.last_error, d.latitude, d.longitude,
       -- not a join: before the first ANALYZE the planner would compare every device with every space
       (SELECT s.id FROM occupancy.spaces s
        WHERE s.tenant_id = d.tenant_id AND s.sensor_eui = d.dev_eui AND s.deleted_at IS NULL) AS space_id
FROM occupancy.devices d;

CREATE VIEW occupancy.stay_history WITH (security_invoker = true) AS
SELECT tenant_id, id, space_id, dev_eui, arrived_at, departed_at FROM occupancy.stays;

CREATE VIEW occupancy.state_history WITH (security_invoker = true) AS
SELECT tenant_id, space_id, version, previous, state, layer, reason, source, cause, request_id, occurred_at, changed_at
FROM occupancy.state_changes;

-- No tenant yet, or no codec: what was heard and not taken in, for the platform's admin. The frames themselves stay
-- hidden; the newest one says why they wait.
CREATE VIEW occupancy.orphan_directory WITH (security_invoker = true) AS
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

CREATE VIEW occupancy.application_directory WITH (security_invoker = true) AS
SELECT source, application_id, tenant_id, clock, object_mapping, created_at FROM occupancy.applications;

-- What the dispatcher needs of a device that is a display, or may be one. `is_bound`: it was last heard (or found) in an
-- application of this tenant; until then nothing is sent to it, whoever has written its DevEUI down.
CREATE VIEW occupancy.downlink_devices WITH (security_invoker = true) AS
SELECT d.tenant_id, d.dev_eui, d.codec, d.codec_in_use, d.profile_name, d.source, d.application_id,
       EXISTS (SELECT FROM occupancy.applications a
               WHERE a.source = d.source AND a.application_id = d.application_id AND a.tenant_id = d.tenant_id)
           AS is_bound,
       (SELECT s.id FROM occupancy.spaces s
        WHERE s.tenant_id = d.tenant_id AND s.display_eui = d.dev_eui AND s.deleted_at IS NULL) AS space_id
FROM occupancy.devices d;

-- Which tenant an application is bound to, and since when.
CREATE VIEW occupancy.application_tenants WITH (security_invoker = true) AS
SELECT source, application_id, tenant_id, created_at FROM occupancy.applications;

GRANT USAGE ON SCHEMA occupancy TO api_gateway, api_gateway_request, reservation_service, reservation_service_request,
    downlink_dispatcher, downlink_dispatcher_request;

-- Places, to every service.
GRANT SELECT (tenant_id, id, name, time_zone, latitude, longitude, created_at, updated_at, deleted_at)
    ON occupancy.sites
    TO api_gateway, api_gateway_request, reservation_service, reservation_service_request, downlink_dispatcher,
       downlink_dispatcher_request;
GRANT SELECT (tenant_id, id, site_id, code, name, kind, building, floor, zone, latitude, longitude,
              sensor_eui, display_eui, metadata, state, state_layer, state_reason, state_since, version,
              override_state, override_reason, override_since, override_until,
              sensor_heard, sensor_occupied, sensor_since, sensor_silent,
              reservation_id, reservation_since, reservation_until, created_at, updated_at, deleted_at)
    ON occupancy.spaces
    TO api_gateway, api_gateway_request, reservation_service, reservation_service_request, downlink_dispatcher,
       downlink_dispatcher_request;
GRANT SELECT ON occupancy.space_directory, occupancy.site_directory
    TO api_gateway, api_gateway_request, reservation_service, reservation_service_request, downlink_dispatcher,
       downlink_dispatcher_request;
DO $$
DECLARE
    place text;
BEGIN
    FOREACH place IN ARRAY ARRAY['sites', 'spaces'] LOOP
        EXECUTE format('CREATE POLICY readers_of_one_tenant ON occupancy.%I FOR SELECT TO api_gateway_request, '
                       'reservation_service_request, downlink_dispatcher_request '
                       'USING (tenant_id = (SELECT gateway.current_tenant()))', place);
        EXECUTE format('CREATE POLICY readers_of_all ON occupancy.%I FOR SELECT TO api_gateway, reservation_service, '
                       'downlink_dispatcher USING (true)', place);
    END LOOP;
END
$$;

-- Devices and histories, to the gateway's requests.
GRANT SELECT (tenant_id, dev_eui, name, profile_name, codec, codec_in_use, source, application_id, interval_seconds,
              last_seen_at, occupied, silent, battery_volts, battery_percent, flap_score, flap_at, temperature_celsius,
              rssi, snr, margin_db, external_power, decoder_errors, network_errors, last_error, latitude, longitude)
    ON occupancy.devices TO api_gateway_request;
GRANT SELECT (tenant_id, id, space_id, dev_eui, arrived_at, departed_at) ON occupancy.stays TO api_gateway_request;
GRANT SELECT (tenant_id, space_id, version, previous, state, layer, reason, source, cause, request_id, occurred_at,
              changed_at)
    ON occupancy.state_changes TO api_gateway_request;
GRANT SELECT ON occupancy.device_directory, occupancy.stay_history, occupancy.state_history TO api_gateway_request;
GRANT SELECT ON occupancy.device_directory TO occupancy_engine, occupancy_engine_request;
DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['devices', 'stays', 'state_changes'] LOOP
        EXECUTE format('CREATE POLICY readers_of_one_tenant ON occupancy.%I FOR SELECT TO api_gateway_request '
                       'USING (tenant_id = (SELECT gateway.current_tenant()))', history);
    END LOOP;
END
$$;

-- Devices and their applications, to the dispatcher.
GRANT SELECT (tenant_id, dev_eui, codec, codec_in_use, profile_name, source, application_id)
    ON occupancy.devices TO downlink_dispatcher, downlink_dispatcher_request;
GRANT SELECT (source, application_id, tenant_id, created_at)
    ON occupancy.applications TO downlink_dispatcher, downlink_dispatcher_request;
GRANT SELECT ON occupancy.downlink_devices, occupancy.application_tenants
    TO downlink_dispatcher, downlink_dispatcher_request;
DO $$
DECLARE
    noun text;
BEGIN
    FOREACH noun IN ARRAY ARRAY['devices', 'applications'] LOOP
        EXECUTE format('CREATE POLICY dispatcher_of_one_tenant ON occupancy.%I FOR SELECT TO '
                       'downlink_dispatcher_request USING (tenant_id = (SELECT gateway.current_tenant()))', noun);
        EXECUTE format('CREATE POLICY dispatcher_of_all ON occupancy.%I FOR SELECT TO downlink_dispatcher USING (true)',
                       noun);
    END LOOP;
END
$$;

-- Bindings and orphans, to the platform's admin.
GRANT SELECT (source, application_id, tenant_id, clock, object_mapping, created_at)
    ON occupancy.applications TO api_gateway_request;
GRANT SELECT (id, source, application_id, dev_eui, reason, envelope, received_at)
    ON occupancy.orphan_frames TO api_gateway_request;
GRANT SELECT ON occupancy.orphan_directory, occupancy.application_directory TO api_gateway_request;
CREATE POLICY readers_for_admin ON occupancy.applications FOR SELECT TO api_gateway_request
    USING ((SELECT gateway.is_platform_admin()));
CREATE POLICY readers_for_admin ON occupancy.orphan_frames FOR SELECT TO api_gateway_request
    USING ((SELECT gateway.is_platform_admin()));
