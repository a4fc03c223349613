-- owner: api_gateway
-- One schema and one role per service. Services log in with one account and take their role at connection time;
-- no role owns a table, so that row-level security binds them all.
SET LOCAL lock_timeout = '5s';

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['api_gateway', 'occupancy_engine', 'reservation_service', 'downlink_dispatcher'] LOOP
        -- Roles belong to the whole cluster: another database of it may have made them already, or be at it now.
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', service);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(current_user, service, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', service);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA gateway;
GRANT USAGE ON SCHEMA gateway TO api_gateway;

CREATE TABLE gateway.tenants (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now()
);

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

GRANT SELECT, INSERT ON gateway.tenants TO api_gateway;
GRANT SELECT, INSERT, UPDATE ON gateway.api_keys TO api_gateway;
