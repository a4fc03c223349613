-- owner: occupancy_engine
-- What was set for a device, as an export shows it and an import takes it; `device_directory` tells what was heard.
SET LOCAL lock_timeout = '5s';

CREATE VIEW occupancy.device_settings WITH (security_invoker = true) AS
SELECT tenant_id, dev_eui, name, codec, heartbeat_seconds, confirm_seconds FROM occupancy.devices;

GRANT SELECT (heartbeat_seconds, confirm_seconds) ON occupancy.devices TO api_gateway_request;
GRANT SELECT ON occupancy.device_settings TO api_gateway_request;
