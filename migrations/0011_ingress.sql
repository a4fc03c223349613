-- owner: api_gateway
-- Who may hand in events over HTTP: one credential per integration, whose name is the source of what it delivers.
SET LOCAL lock_timeout = '5s';

-- `source` is the name that devices and application bindings carry, so it is unique over the platform. Events come with
-- a static token or with a signature; of each secret the one before it is still good until its `previous_.._until`. A
-- token is kept as the SHA-256 of 256 random bits; a signing secret must be read to check a signature.
CREATE TABLE gateway.ingress_credentials (
    tenant_id               uuid NOT NULL REFERENCES gateway.tenants,
    id                      text NOT NULL UNIQUE CHECK (id ~ '^[a-z0-9]{8,32}$'),
    source                  text NOT NULL CHECK (source ~ '^[a-z0-9_-]{1,50}$' AND source <> 'ingress'),
    -- null: whatever no other tenant holds
    application_ids         text[] CHECK (cardinality(application_ids) BETWEEN 1 AND 100),
    token_sha256            bytea NOT NULL,
    previous_token_sha256   bytea,
    previous_token_until    timestamptz,
    signing_secret          bytea NOT NULL,
    previous_signing_secret bytea,
    previous_signing_until  timestamptz,
    created_at              timestamptz NOT NULL DEFAULT now(),
    revoked_at              timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX ingress_credentials_live_source ON gateway.ingress_credentials (source) WHERE revoked_at IS NULL;
CALL gateway.isolate('gateway.ingress_credentials', '{api_gateway_request}');
GRANT SELECT, INSERT ON gateway.ingress_credentials TO api_gateway_request;
GRANT UPDATE (application_ids, token_sha256, previous_token_sha256, previous_token_until, signing_secret,
              previous_signing_secret, previous_signing_until, revoked_at)
    ON gateway.ingress_credentials TO api_gateway_request;

-- Before the tenant is known, and across tenants: three questions, each with an answer of one row.
GRANT CREATE ON SCHEMA gateway TO gateway_lookup;
GRANT USAGE ON SCHEMA occupancy TO gateway_lookup;
GRANT SELECT ON gateway.ingress_credentials TO gateway_lookup;
GRANT SELECT (source, application_id, tenant_id) ON occupancy.applications TO gateway_lookup;
GRANT SELECT (source) ON occupancy.source_watermarks TO gateway_lookup;
CREATE POLICY lookup ON gateway.ingress_credentials FOR SELECT TO gateway_lookup USING (true);
CREATE POLICY lookup ON occupancy.applications FOR SELECT TO gateway_lookup USING (true);

-- Who delivers?
CREATE FUNCTION gateway.find_ingress_credential(credential_id text)
RETURNS TABLE (tenant_id uuid, source text, application_ids text[], token_sha256 bytea, previous_token_sha256 bytea,
               previous_token_until timestamptz, signing_secret bytea, previous_signing_secret bytea,
               previous_signing_until timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.tenant_id, c.source, c.application_ids, c.token_sha256, c.previous_token_sha256, c.previous_token_until,
           c.signing_secret, c.previous_signing_secret, c.previous_signing_until, c.revoked_at
    FROM gateway.ingress_credentials c WHERE c.id = credential_id;
END;

-- Whose application is this? Null: nobody's yet.
CREATE FUNCTION gateway.tenant_of_application(of_source text, of_application_id text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.tenant_id FROM occupancy.applications a
    WHERE a.source = of_source AND a.application_id = of_application_id;
END;

-- May this tenant call an integration so? Not where an MQTT ingestor is heard under the name, nor where another tenant
-- has used it or has applications bound under it: events would be taken for theirs.
CREATE FUNCTION gateway.source_is_taken(name text, by_tenant uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM occupancy.source_watermarks w WHERE w.source = name)
        OR EXISTS (SELECT FROM occupancy.applications a WHERE a.source = name AND a.tenant_id <> by_tenant)
        OR EXISTS (SELECT FROM gateway.ingress_credentials c
                   WHERE c.source = name AND (c.revoked_at IS NULL OR c.tenant_id <> by_tenant));
END;

-- Rights first: they are the owner's to give, and the last step gives the ownership away.
REVOKE ALL ON FUNCTION gateway.find_ingress_credential, gateway.tenant_of_application, gateway.source_is_taken
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway.find_ingress_credential, gateway.tenant_of_application, gateway.source_is_taken
    TO api_gateway_request;
ALTER FUNCTION gateway.find_ingress_credential OWNER TO gateway_lookup;
ALTER FUNCTION gateway.tenant_of_application OWNER TO gateway_lookup;
ALTER FUNCTION gateway.source_is_taken OWNER TO gateway_lookup;
REVOKE CREATE ON SCHEMA gateway FROM gateway_lookup;
