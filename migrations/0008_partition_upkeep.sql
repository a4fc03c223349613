-- owner: occupancy_engine
-- Upkeep that survives a standstill: rows that came before their partition move into it (with them in the default
-- partition, PostgreSQL refuses to make it), and days are days of UTC in a database of any time zone.
SET LOCAL lock_timeout = '5s';

CREATE OR REPLACE FUNCTION occupancy.keep_partitions(parent text, unit text, ahead integer, keep interval)
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
