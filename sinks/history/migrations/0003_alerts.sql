-- Alerts as topic `execution-alerts` tells of them: those of MEDIUM and above, and whatever was
-- published of them since. Few, so plain tables everywhere, kept for good.

-- The newest state of each alert, in the order of `seq`.
CREATE TABLE alerts (
    alert_id text COLLATE "C" PRIMARY KEY,  -- sorts as the status store sorts it
    dedupe_key text NOT NULL,
    seq bigint NOT NULL,                    -- of the newest event, counted over its dedupe_key
    transition bigint NOT NULL,             -- of its newest step
    desk text NOT NULL,                     -- `-` for orders without one
    scope text NOT NULL,                    -- an order, venue:…, algo:…, feed:…
    "type" text NOT NULL,                   -- DATA for a feed that fell silent
    state text NOT NULL,
    severity text NOT NULL,
    rule_severity text,                     -- before escalation and inhibition
    symbol text,
    order_ids jsonb NOT NULL,
    started_ns bigint NOT NULL,
    started_ms bigint NOT NULL,             -- what lists are sorted by
    started_at timestamptz NOT NULL,
    changed_ns bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    ended_ns bigint,                        -- null while it is open
    ended_at timestamptz,
    current_progress float8,
    expected_progress float8,
    execution_speed float8,
    cost_efficiency float8,
    recommendation text NOT NULL,
    evidence jsonb NOT NULL,
    config_version text NOT NULL,
    severity_history jsonb NOT NULL,
    suppressed_by text,
    group_id text,                          -- the alert whose page covers this one
    snoozed_until_ns bigint,
    acked_by text,
    closed_by text,
    close_reason text                       -- what a person found
);
CREATE INDEX alerts_newest ON alerts (started_ms DESC, alert_id DESC);
CREATE INDEX alerts_desk ON alerts (desk, started_ms DESC, alert_id DESC);
CREATE INDEX alerts_scope ON alerts (scope, started_ms DESC, alert_id DESC);
CREATE INDEX alerts_orders ON alerts USING gin (order_ids jsonb_path_ops);

-- Each published step of an alert's life. Steps at LOW are not published, so numbers may be left out.
CREATE TABLE alert_transitions (
    alert_id text NOT NULL,
    seq bigint NOT NULL,                    -- in the alert's life, from 1
    at_ns bigint NOT NULL,
    "at" timestamptz NOT NULL,
    change text NOT NULL,
    state text NOT NULL,
    severity text NOT NULL,
    "by" text NOT NULL,
    why text NOT NULL,
    event_id text NOT NULL,
    UNIQUE (alert_id, seq)
);
CREATE INDEX alert_transitions_at ON alert_transitions (at_ns DESC);

-- What the API was told not to send. Rows stay after `until`.
CREATE TABLE silences (
    silence_id uuid PRIMARY KEY,
    desk text NOT NULL,                     -- `*` for every desk
    alert_type text,
    about text,                             -- an alert's scope
    symbol text,
    why text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    until timestamptz NOT NULL,
    lifted_at timestamptz,
    lifted_by text
);
CREATE INDEX silences_until ON silences (until DESC);
