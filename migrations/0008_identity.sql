-- owner: api_gateway
-- People beside keys: users, their sessions and refresh tokens, the keys that sign access tokens, what throttles
-- log-ins, and the audit log. Who is asking is found out before the tenant is known, by two more definer functions.
SET LOCAL lock_timeout = '5s';

-- An e-mail is an account's name on the whole platform: a log-in names no tenant.
CREATE TABLE gateway.users (
    tenant_id      uuid NOT NULL REFERENCES gateway.tenants,
    id             uuid NOT NULL DEFAULT uuidv7(),
    email          text NOT NULL CHECK (length(email) BETWEEN 3 AND 255),
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    password_hash  text NOT NULL,
    role           text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'owner')),
    platform_admin boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    disabled_at    timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX users_email ON gateway.users (lower(email));
CALL gateway.isolate('gateway.users', '{api_gateway_request}', '{api_gateway}');
-- Column by column: no request can make a platform admin, nor move a user to another tenant.
GRANT SELECT, DELETE ON gateway.users TO api_gateway_request;
GRANT INSERT (tenant_id, id, email, name, password_hash, role),
    UPDATE (name, role, password_hash, disabled_at, updated_at) ON gateway.users TO api_gateway_request;
GRANT SELECT, INSERT ON gateway.users TO api_gateway;

-- A session is a family of refresh tokens. expires_at moves with their use, up to the family's absolute end.
CREATE TABLE gateway.sessions (
    tenant_id      uuid NOT NULL,
    id             uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    user_id        uuid NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    last_used_at   timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text CHECK ((revoked_reason IS NULL) = (revoked_at IS NULL)),
    user_agent     text NOT NULL DEFAULT '' CHECK (length(user_agent) <= 200),
    address        text NOT NULL DEFAULT '' CHECK (length(address) <= 50),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES gateway.users ON DELETE CASCADE
);
CREATE INDEX sessions_of_user ON gateway.sessions (tenant_id, user_id);
CREATE INDEX sessions_expiry ON gateway.sessions (expires_at);
CALL gateway.isolate('gateway.sessions', '{api_gateway_request}', '{api_gateway}');
GRANT SELECT, INSERT, UPDATE ON gateway.sessions TO api_gateway_request;
GRANT SELECT, DELETE ON gateway.sessions TO api_gateway;

-- Only digests. A used token notes its successor, and the idempotency key (as a digest) and salt from which the
-- successor's secret can be derived again by whoever still holds this one's.
CREATE TABLE gateway.refresh_tokens (
    tenant_id        uuid NOT NULL,
    session_id       uuid NOT NULL,
    secret_sha256    bytea NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    used_at          timestamptz,
    used_key_sha256  bytea,
    salt             bytea,
    successor_sha256 bytea,
    PRIMARY KEY (tenant_id, session_id, secret_sha256),
    FOREIGN KEY (tenant_id, session_id) REFERENCES gateway.sessions ON DELETE CASCADE,
    CHECK ((used_at IS NULL) = (successor_sha256 IS NULL) AND (used_key_sha256 IS NULL) = (salt IS NULL))
);
CALL gateway.isolate('gateway.refresh_tokens', '{api_gateway_request}', '{api_gateway}');
GRANT SELECT, INSERT, UPDATE ON gateway.refresh_tokens TO api_gateway_request;
GRANT SELECT ON gateway.refresh_tokens TO api_gateway;

-- No tenant: the platform's own keys (Ed25519), for the batch role alone.
CREATE TABLE gateway.signing_keys (
    kid         text PRIMARY KEY CHECK (kid ~ '^[A-Za-z0-9_-]{8,64}$'),
    private_key bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    signs_until timestamptz NOT NULL,
    retires_at  timestamptz NOT NULL CHECK (retires_at > signs_until)
);
CALL gateway.isolate('gateway.signing_keys', '{}', '{api_gateway}');
GRANT SELECT, INSERT, DELETE ON gateway.signing_keys TO api_gateway;

-- No tenant: who fails to log in may belong to none. A bucket is a digest of an address, or of address and e-mail.
CREATE TABLE gateway.login_failures (
    bucket       bytea PRIMARY KEY,
    level        double precision NOT NULL,
    measured_at  timestamptz NOT NULL,
    succeeded_at timestamptz
);
CREATE INDEX login_failures_age ON gateway.login_failures (measured_at);
CALL gateway.isolate('gateway.login_failures', '{}', '{api_gateway}');
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.login_failures TO api_gateway;

-- Append only: nobody may change or delete a row, and requests only read. A log-in that fits no user has no tenant (so
-- it cannot be in the key); such rows are the platform admin's.
CREATE TABLE gateway.audit_log (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id  uuid REFERENCES gateway.tenants,
    at         timestamptz NOT NULL DEFAULT now(),
    actor      text NOT NULL,
    action     text NOT NULL,
    path       text NOT NULL,
    request_id text NOT NULL,
    address    text NOT NULL
);
CREATE INDEX audit_log_of_tenant ON gateway.audit_log (tenant_id, id);
CREATE INDEX audit_log_of_path ON gateway.audit_log (tenant_id, path, at);
CREATE INDEX audit_log_of_actor ON gateway.audit_log (tenant_id, actor, id);
CALL gateway.isolate('gateway.audit_log', '{api_gateway_request}', '{api_gateway}');
CREATE POLICY platform_admin ON gateway.audit_log FOR SELECT TO api_gateway_request
    USING (tenant_id IS NULL AND (SELECT gateway.is_platform_admin()));
GRANT SELECT ON gateway.audit_log TO api_gateway_request;
GRANT SELECT, INSERT ON gateway.audit_log TO api_gateway;

-- How what was begun ended, written after the answer: a row that is missing here was cut off by a crash.
CREATE TABLE gateway.audit_outcomes (
    audit_id  uuid PRIMARY KEY REFERENCES gateway.audit_log,
    tenant_id uuid,
    status    smallint NOT NULL,
    at        timestamptz NOT NULL DEFAULT now()
);
CALL gateway.isolate('gateway.audit_outcomes', '{api_gateway_request}', '{api_gateway}');
CREATE POLICY platform_admin ON gateway.audit_outcomes FOR SELECT TO api_gateway_request
    USING (tenant_id IS NULL AND (SELECT gateway.is_platform_admin()));
GRANT SELECT ON gateway.audit_outcomes TO api_gateway_request;
GRANT SELECT, INSERT ON gateway.audit_outcomes TO api_gateway;

-- Answers to repeated requests for what the gateway itself owns.
CREATE TABLE gateway.inbox (LIKE occupancy.inbox INCLUDING ALL);
CALL gateway.isolate('gateway.inbox', '{api_gateway_request}', '{api_gateway}');
GRANT SELECT, INSERT ON gateway.inbox TO api_gateway_request;
GRANT SELECT, DELETE ON gateway.inbox TO api_gateway;

-- A platform admin sees all tenants. A request may insert the tenant that its transaction works for, and no other.
CREATE POLICY platform_admin ON gateway.tenants FOR SELECT TO api_gateway_request
    USING ((SELECT gateway.is_platform_admin()));
GRANT INSERT (id, name) ON gateway.tenants TO api_gateway_request;

-- last_used_at is noted once an hour at most: reading must not become writing.
ALTER TABLE gateway.api_keys
    ADD COLUMN created_by text NOT NULL DEFAULT '',
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz;
REVOKE INSERT, UPDATE ON gateway.api_keys FROM api_gateway_request;
GRANT INSERT (tenant_id, id, name, secret_sha256, scopes, platform_admin, created_by, expires_at), UPDATE (revoked_at)
    ON gateway.api_keys TO api_gateway_request;
CREATE POLICY no_new_platform_admin ON gateway.api_keys AS RESTRICTIVE FOR INSERT TO api_gateway_request
    WITH CHECK (NOT platform_admin OR (SELECT gateway.is_platform_admin()));

-- Nobody may delete an entry; what is old may be asked to go, in portions, and never anything younger than 31 days.
CREATE FUNCTION gateway.forget_audit(keep interval) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH old AS (
        SELECT l.id FROM gateway.audit_log l WHERE l.at < now() - greatest(keep, interval '31 days')
        ORDER BY l.id LIMIT 10000
    ), outcomes AS (
        DELETE FROM gateway.audit_outcomes o USING old WHERE o.audit_id = old.id
    ), entries AS (
        DELETE FROM gateway.audit_log l USING old WHERE l.id = old.id RETURNING l.id
    )
    SELECT count(*) FROM entries;
END;
CREATE INDEX audit_log_age ON gateway.audit_log USING brin (at);
CREATE POLICY retention ON gateway.audit_log TO CURRENT_USER USING (at < now() - interval '30 days');
CREATE POLICY retention ON gateway.audit_outcomes TO CURRENT_USER USING (at < now() - interval '30 days');

-- The look-ups before the tenant is known; each tells one row alone.
DROP FUNCTION gateway.find_api_key;
CREATE FUNCTION gateway.find_api_key(key_id text)
RETURNS TABLE (
    tenant_id uuid, secret_sha256 bytea, scopes text[], platform_admin boolean, is_alive boolean, is_use_news boolean
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT k.tenant_id, k.secret_sha256, k.scopes, k.platform_admin,
           k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true),
           coalesce(k.last_used_at < now() - interval '1 hour', true)
    FROM gateway.api_keys k WHERE k.id = key_id;
END;

CREATE FUNCTION gateway.find_user(user_email text)
RETURNS TABLE (tenant_id uuid, id uuid, password_hash text, disabled_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT u.tenant_id, u.id, u.password_hash, u.disabled_at
    FROM gateway.users u WHERE lower(u.email) = lower(user_email);
END;

CREATE FUNCTION gateway.find_session(session_id uuid)
RETURNS TABLE (tenant_id uuid, user_id uuid, role text, platform_admin boolean, is_alive boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.tenant_id, s.user_id, u.role, u.platform_admin,
           s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL
    FROM gateway.sessions s
    JOIN gateway.users u ON (u.tenant_id, u.id) = (s.tenant_id, s.user_id)
    WHERE s.id = session_id;
END;

CREATE POLICY lookup ON gateway.users FOR SELECT TO gateway_lookup USING (true);
CREATE POLICY lookup ON gateway.sessions FOR SELECT TO gateway_lookup USING (true);
GRANT SELECT (tenant_id, id, email, password_hash, role, platform_admin, disabled_at) ON gateway.users
    TO gateway_lookup;
GRANT SELECT (tenant_id, id, user_id, expires_at, revoked_at) ON gateway.sessions TO gateway_lookup;
-- Rights first: they are the owner's to give, and the last step gives the ownership away.
REVOKE ALL ON FUNCTION gateway.find_api_key, gateway.find_user, gateway.find_session, gateway.forget_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway.forget_audit TO api_gateway;
GRANT EXECUTE ON FUNCTION gateway.find_api_key, gateway.find_user, gateway.find_session
    TO api_gateway_request, api_gateway;
GRANT CREATE ON SCHEMA gateway TO gateway_lookup;
ALTER FUNCTION gateway.find_api_key OWNER TO gateway_lookup;
ALTER FUNCTION gateway.find_user OWNER TO gateway_lookup;
ALTER FUNCTION gateway.find_session OWNER TO gateway_lookup;
REVOKE CREATE ON SCHEMA gateway FROM gateway_lookup;
