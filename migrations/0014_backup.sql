-- owner: api_gateway
-- Backup and restore: a role that reads every row and writes none, and where the event streams went on after a restore.
SET LOCAL lock_timeout = '5s';

DO $$
BEGIN
    -- Roles belong to the whole cluster: another database of it may have made it already, or be at it now.
    BEGIN
        CREATE ROLE parkstream_backup NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    IF NOT pg_has_role(current_user, 'parkstream_backup', 'SET') THEN
        GRANT parkstream_backup TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA gateway, occupancy, reservation, downlink, parkstream TO parkstream_backup;
GRANT SELECT ON parkstream.migrations TO parkstream_backup;

-- Row-level security binds the owner too, so that nobody but this role (and a superuser) sees all there is.
CREATE PROCEDURE gateway.open_to_backup(target regclass)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    numbers regclass;
BEGIN
    EXECUTE format('CREATE POLICY backup ON %s FOR SELECT TO parkstream_backup USING (true)', target);
    EXECUTE format('GRANT SELECT ON %s TO parkstream_backup', target);
    FOR numbers IN
        SELECT objid::regclass FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND refobjid = target AND deptype = 'i'
          AND (SELECT relkind FROM pg_class WHERE oid = objid) = 'S'
    LOOP
        EXECUTE format('GRANT SELECT ON SEQUENCE %s TO parkstream_backup', numbers);
    END LOOP;
END
$$;
REVOKE ALL ON PROCEDURE gateway.open_to_backup FROM PUBLIC;

-- As before, and open to backups.
CREATE OR REPLACE PROCEDURE gateway.isolate(
    target regclass, request name[], batch name[] DEFAULT '{}', tenant_column name DEFAULT 'tenant_id'
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    IF cardinality(request) > 0 THEN
        EXECUTE format('CREATE POLICY one_tenant ON %s TO %s USING (%I = (SELECT gateway.current_tenant()))',
                       target, (SELECT string_agg(quote_ident(r), ', ') FROM unnest(request) r), tenant_column);
    END IF;
    IF cardinality(batch) > 0 THEN
        EXECUTE format('CREATE POLICY all_tenants ON %s TO %s USING (true)',
                       target, (SELECT string_agg(quote_ident(r), ', ') FROM unnest(batch) r));
    END IF;
    CALL gateway.open_to_backup(target);
END
$$;

DO $$
DECLARE
    existing regclass;
BEGIN
    FOR existing IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace::regnamespace::text IN ('gateway', 'occupancy', 'reservation', 'downlink')
          AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    LOOP
        CALL gateway.open_to_backup(existing);
    END LOOP;
END
$$;
-- To hold the outboxes still for the moment of the snapshot (LOCK TABLE), and nothing else.
GRANT MAINTAIN ON occupancy.outbox, reservation.outbox, downlink.outbox TO parkstream_backup;

-- A restore brings back the event streams up to an end; what clients had been told beyond it never happened. From then
-- on an event id names the restore, so that the old ids beyond the end are told from the new ones. No tenant.
CREATE TABLE gateway.restores (
    number           bigint PRIMARY KEY CHECK (number > 0),
    restored_at      timestamptz NOT NULL DEFAULT now(),
    backup_taken_at  timestamptz NOT NULL,
    spaces_end       bigint NOT NULL,
    reservations_end bigint NOT NULL
);
CALL gateway.isolate('gateway.restores', '{}', '{api_gateway}');
GRANT SELECT ON gateway.restores TO api_gateway;
