-- owner: downlink_dispatcher
-- The service's own room; its tables come with the work that fills them.
SET LOCAL lock_timeout = '5s';

CREATE SCHEMA downlink;
GRANT USAGE ON SCHEMA downlink TO downlink_dispatcher, downlink_dispatcher_request;
