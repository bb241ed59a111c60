-- What was sent to people, copied from the file that the notify dataflow keeps.
CREATE TABLE notifications (
    key uuid PRIMARY KEY,                   -- also Idempotency-Key and Message-ID
    channel text NOT NULL,
    kind text NOT NULL,                     -- ALERT, ACKNOWLEDGED, OVER, DIGEST
    alert_id text NOT NULL,                 -- of a digest: its key
    desk text NOT NULL,                     -- -: orders without one; *: several
    severity text NOT NULL,
    state text NOT NULL,                    -- WAITING, SENDING, DELIVERED, UNDELIVERED, …
    subject text NOT NULL,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    is_repeat boolean NOT NULL,             -- sent before, without a confirmation
    digest uuid,                            -- key of the digest it went into
    words text NOT NULL,
    revision bigint NOT NULL
);
CREATE INDEX notifications_created ON notifications (created_at DESC, key DESC);
CREATE INDEX notifications_alert ON notifications (alert_id);
CREATE INDEX notifications_undelivered ON notifications (created_at DESC)
    WHERE state = 'UNDELIVERED';

-- Other services that are sent events. Written by the API; `stopped_at` ends one for good.
CREATE TABLE subscriptions (
    subscription_id uuid PRIMARY KEY,
    name text NOT NULL,
    state text NOT NULL CHECK (state IN ('ACTIVE', 'PAUSED', 'DELETED')),
    event_types text[] NOT NULL,
    desk text,                              -- null: every desk that its maker may see
    desks text[],                           -- its maker may see; null: every desk
    min_severity text NOT NULL,
    destination jsonb NOT NULL,             -- without the secret
    secret text,                            -- signs what a webhook is sent
    start jsonb NOT NULL,                   -- where reading began
    generation integer NOT NULL DEFAULT 1,  -- rises with each new start
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX subscriptions_created ON subscriptions (created_at DESC, subscription_id DESC);

-- How far each has come. Written by the notify dataflow.
CREATE TABLE subscription_progress (
    subscription_id uuid PRIMARY KEY,
    generation integer NOT NULL,
    positions jsonb NOT NULL,               -- by topic and partition
    delivered bigint NOT NULL,              -- events
    last_delivered_at timestamptz,
    failing_since timestamptz,              -- null while all is well
    words text NOT NULL DEFAULT '',         -- why it fails
    changed_at timestamptz NOT NULL
);
