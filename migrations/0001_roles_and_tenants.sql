-- owner: api_gateway
-- One schema and two roles per service. `<service>` is its batch role (batches, clocks, relays): it sees all tenants, of
-- its own tables and of the views granted to it. `<service>_request` works for one request and sees one tenant. Services
-- log in with one account and take their role at connection time or for one transaction; no role owns a table, so that
-- row-level security binds them all. `gateway_lookup` owns the few functions that look before the tenant is known.
SET LOCAL lock_timeout = '5s';

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY[
        'api_gateway', 'occupancy_engine', 'reservation_service', 'downlink_dispatcher', 'api_gateway_request',
        'occupancy_engine_request', 'reservation_service_request', 'downlink_dispatcher_request', 'gateway_lookup'
    ] LOOP
        -- Roles belong to the whole cluster: another database of it may have made them already, or be at it now.
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', service);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(current_user, service, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT FALSE, SET TRUE', service);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA gateway;
GRANT USAGE ON SCHEMA gateway TO api_gateway, api_gateway_request, occupancy_engine, occupancy_engine_request,
    reservation_service, reservation_service_request, downlink_dispatcher, downlink_dispatcher_request, gateway_lookup;

-- Whose request this transaction is: `SET LOCAL app.tenant_id`, which a pooled connection leaves behind as ''.
CREATE FUNCTION gateway.current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN NULLIF(current_setting('app.tenant_id', true), '')::uuid;

CREATE FUNCTION gateway.is_platform_admin() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('app.platform_admin', true), '') = 'on';

-- Row-level security as every tenant-owned table has it: request roles see and write the rows of their transaction's
-- tenant, batch roles all rows, everybody else (the owner included) none. Rights come from GRANT, as ever. The
-- sub-select is evaluated once per statement, not once per row.
CREATE PROCEDURE gateway.isolate(
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
END
$$;
REVOKE ALL ON PROCEDURE gateway.isolate FROM PUBLIC;

CREATE TABLE gateway.tenants (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now()
);
CALL gateway.isolate('gateway.tenants', '{api_gateway_request}', '{api_gateway}', 'id');
GRANT SELECT ON gateway.tenants TO api_gateway_request;
GRANT SELECT, INSERT ON gateway.tenants TO api_gateway;

-- secret_sha256: the secret has 256 random bits, so a plain digest is as hard to reverse as a slow hash.
CREATE TABLE gateway.api_keys (
    tenant_id      uuid NOT NULL REFERENCES gateway.tenants,
    id             text NOT NULL UNIQUE CHECK (id ~ '^[a-z0-9]{8,32}$'),
    name           text NOT NULL,
    secret_sha256  bytea NOT NULL,
    scopes         text[] NOT NULL,
    platform_admin boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    revoked_at     timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CALL gateway.isolate('gateway.api_keys', '{api_gateway_request}', '{api_gateway}');
GRANT SELECT, INSERT, UPDATE ON gateway.api_keys TO api_gateway, api_gateway_request;

-- Who holds this key? Asked before the tenant is known, so it runs as `gateway_lookup`, and tells one row alone.
CREATE FUNCTION gateway.find_api_key(key_id text)
RETURNS TABLE (tenant_id uuid, secret_sha256 bytea, scopes text[], platform_admin boolean, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT k.tenant_id, k.secret_sha256, k.scopes, k.platform_admin, k.revoked_at
    FROM gateway.api_keys k WHERE k.id = key_id;
END;
CREATE POLICY lookup ON gateway.api_keys FOR SELECT TO gateway_lookup USING (true);
GRANT SELECT ON gateway.api_keys TO gateway_lookup;
REVOKE ALL ON FUNCTION gateway.find_api_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway.find_api_key TO api_gateway_request, api_gateway;
GRANT CREATE ON SCHEMA gateway TO gateway_lookup;
ALTER FUNCTION gateway.find_api_key OWNER TO gateway_lookup;
REVOKE CREATE ON SCHEMA gateway FROM gateway_lookup;
