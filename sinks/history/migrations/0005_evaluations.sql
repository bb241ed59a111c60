-- The numbers by which the rules judged an order, where they came near a level, and for a minute
-- after: what other thresholds would have made of them can be told. `part` says what a row is in
-- such a stretch. Times as in 0001: `known_ns` is exact.
CREATE TABLE alert_evaluations (
    order_id varchar(100) NOT NULL,
    known_at timestamptz NOT NULL,
    known_ns bigint NOT NULL,
    seq bigint NOT NULL,                    -- of the order's state that was judged, -1 without one
    part text NOT NULL,                     -- BEGINS, KEPT, ENDS, SHORT
    root_order_id varchar(100),
    parent_order_id varchar(100),
    symbol text,
    desk text,
    side text,
    asset_class text,
    schedule text,
    market_flags bigint,
    fills integer,
    order_qty float8,
    cum_qty float8,
    limit_px float8,
    bid float8,
    ask float8,
    participation float8,                   -- share of the volume the order is meant to have
    lot float8,
    usual_spread_bps float8,
    execution_progress float8,
    expected_progress float8,
    execution_speed float8,
    fill_rate float8,
    participation_rate float8,
    slippage_bps float8,
    slippage_index_adjusted_bps float8,
    market_impact_bps float8,
    expected_cost_bps float8,
    risk_bps float8,
    z_cost float8,
    cost_efficiency float8,
    configured jsonb,                       -- thresholds of the settings that were in force
    asked jsonb,                            -- those of the order's own session, which go before
    UNIQUE (order_id, known_at, known_ns, seq, part)
);
CREATE INDEX alert_evaluations_time ON alert_evaluations (known_at DESC);
