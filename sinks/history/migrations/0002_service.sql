-- What only the API writes.

CREATE TABLE monitoring_sessions (
    session_id uuid PRIMARY KEY,
    order_id varchar(100) NOT NULL,
    state text NOT NULL CHECK (state IN ('ACTIVE', 'PENDING', 'CLOSED')),
    request jsonb NOT NULL,                 -- the ExecutionMonitoringRequest as it came
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    closed_at timestamptz,                  -- ended, or replaced by a newer session
    config_version text NOT NULL DEFAULT '',
    desks text[]                            -- its maker may see; null: every desk
);
-- One session of an order counts; those before it are CLOSED.
CREATE UNIQUE INDEX monitoring_sessions_current ON monitoring_sessions (order_id)
    WHERE state <> 'CLOSED';
CREATE INDEX monitoring_sessions_order ON monitoring_sessions (order_id, created_at DESC);

CREATE TABLE api_keys (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),  -- SHA-256 of the secret
    scopes text[] NOT NULL,
    desks text[],                           -- null: every desk
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    last_used_at timestamptz
);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    action text NOT NULL,
    target text,
    outcome text NOT NULL,
    request_id text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON audit (at DESC, id DESC);
CREATE INDEX audit_who ON audit (who, id DESC);
CREATE INDEX audit_target ON audit (target, id DESC);

-- Answers kept for a repeated Idempotency-Key of the same caller.
CREATE TABLE idempotency (
    who text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,            -- of method, path and body
    status integer,                         -- null while the first request is being answered
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (who, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);
