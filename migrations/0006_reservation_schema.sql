-- owner: reservation_service
-- The service's own room; its tables come with the work that fills them.
SET LOCAL lock_timeout = '5s';

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA reservation;
GRANT USAGE ON SCHEMA reservation TO reservation_service, reservation_service_request;
