-- What the history dataflow writes. Times: `…_ns` is exact (UNIX ns), the timestamptz beside
-- it the same instant cut to the microsecond. Costs are positive when bad for us. A number that
-- does not exist is null; `body` says why under `reasons`.
-- A body is json, not jsonb: the very bytes that were published (jsonb makes 0.0 of -0.0), at a
-- third of the server's time; and it is stored as it is, since the columnstore compresses better.

-- One row for each final state of an order: an event folded, or a mark.
CREATE TABLE execution_monitoring_ts (
    "timestamp" timestamptz NOT NULL,       -- event time of the row, status member as_of
    order_id varchar(100) NOT NULL,
    execution_progress float8,
    fill_rate float8,
    average_price float8,
    market_impact float8,                   -- bps
    cost_efficiency float8,
    slippage float8,                        -- bps against the arrival mid
    venue_distribution jsonb,
    alerts jsonb,
    seq bigint NOT NULL,                    -- rises by one with every row of the order
    ts_ns bigint NOT NULL,
    known_ns bigint NOT NULL,               -- when it was known: member last_updated
    body json NOT NULL,                     -- the whole ExecutionStatus
    UNIQUE (order_id, "timestamp", seq)
);
ALTER TABLE execution_monitoring_ts ALTER body SET STORAGE EXTERNAL;
CREATE INDEX execution_monitoring_ts_time ON execution_monitoring_ts ("timestamp" DESC);

-- The newest final status of each order, in the order of (known_ns, seq). Its body is the row of
-- execution_monitoring_ts with the same (order_id, "timestamp", seq).
CREATE TABLE orders (
    order_id varchar(100) PRIMARY KEY,
    root_order_id varchar(100),
    parent_order_id varchar(100),
    cl_ord_id text,
    symbol text,
    side text,
    state text NOT NULL,
    is_closed boolean NOT NULL,
    has_children boolean NOT NULL,
    desk text,
    trader text,
    client text,
    broker text,
    algo text,
    strategy text,
    currency text,
    asset_class text,
    ord_type text,
    time_in_force text,
    order_qty float8,
    cum_qty float8,
    leaves_qty float8,
    avg_px float8,
    limit_px float8,
    routed_qty float8,
    market_qty float8,
    fee float8,
    fills integer,
    children integer,
    execution_progress float8,
    performance_score float8,
    cost_efficiency float8,
    arrival_mid float8,
    decision_px float8,
    interval_vwap float8,
    vwap_ex_own float8,
    twap float8,
    slippage_bps float8,
    slippage_ccy float8,
    slippage_interval_vwap_bps float8,
    slippage_vwap_ex_own_bps float8,
    slippage_twap_bps float8,
    shortfall_delay_ccy float8,
    shortfall_trading_ccy float8,
    shortfall_opportunity_ccy float8,
    shortfall_explicit_ccy float8,
    shortfall_total_ccy float8,
    sort_ns bigint NOT NULL,                -- arrival, else the first time that is known
    arrival_ns bigint,
    arrival_ts timestamptz,
    closed_ns bigint,
    closed_ts timestamptz,
    ts_ns bigint NOT NULL,
    "timestamp" timestamptz NOT NULL,
    known_ns bigint NOT NULL,
    seq bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX orders_newest ON orders (sort_ns DESC, order_id DESC);
CREATE INDEX orders_desk ON orders (desk, sort_ns DESC, order_id DESC);
CREATE INDEX orders_symbol ON orders (symbol, sort_ns DESC, order_id DESC);
CREATE INDEX orders_root ON orders (root_order_id);
CREATE INDEX orders_parent ON orders (parent_order_id);
CREATE INDEX orders_open ON orders (sort_ns DESC, order_id DESC) WHERE NOT is_closed;

-- Executions with the market they met. Written again when a later mid is known.
CREATE TABLE fills (
    order_id varchar(100) NOT NULL,
    root_order_id varchar(100),
    symbol text,
    venue text,
    exec_id text,
    side text,
    status text NOT NULL,                   -- COUNTED, REPEATED, BUSTED, CORRECTED
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    known_ns bigint,
    seq bigint,                             -- the sender's
    pos bigint NOT NULL,                    -- with source: place in the input
    source integer NOT NULL,
    last_qty float8,
    last_px float8,
    fee float8,
    cum_qty float8,
    liquidity text,
    bid float8,
    ask float8,
    mid float8,
    arrival_mid float8,
    quote_ns bigint,
    mid_m60s float8,
    mid_m30s float8,
    mid_m5s float8,
    mid_0s float8,
    mid_50ms float8,
    mid_1s float8,
    mid_5s float8,
    mid_15s float8,
    mid_30s float8,
    mid_60s float8,
    mid_300s float8,
    mid_900s float8,
    mid_1800s float8,
    mid_3600s float8,
    mid_next_close float8,
    anomalies jsonb NOT NULL,
    UNIQUE (order_id, ts, source, pos)
);
CREATE INDEX fills_time ON fills (ts DESC);

-- The timeline: order and route events as they came.
CREATE TABLE order_events (
    order_id varchar(100) NOT NULL,
    "type" text NOT NULL,
    root_order_id varchar(100),
    parent_order_id varchar(100),
    symbol text,
    venue text,
    exec_id text,
    exec_ref_id text,
    side text,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    known_ns bigint,
    seq bigint,                             -- the sender's
    market_seq bigint,
    pos bigint NOT NULL,                    -- with source: place in the input
    source integer NOT NULL,
    order_qty float8,
    limit_px float8,
    last_qty float8,
    last_px float8,
    cum_qty float8,
    leaves_qty float8,
    fee float8,
    avg_px float8,
    liquidity text,
    reject_reason text,
    UNIQUE (order_id, ts, source, pos)
);
CREATE INDEX order_events_time ON order_events (ts DESC);

-- The whole record of an order, written when it closes and again when later horizons are known.
CREATE TABLE order_tca (
    order_id varchar(100) PRIMARY KEY,
    root_order_id varchar(100),
    parent_order_id varchar(100),
    symbol text,
    side text,
    state text NOT NULL,
    desk text,
    trader text,
    client text,
    broker text,
    algo text,
    strategy text,
    currency text,
    asset_class text,
    arrival_ns bigint,
    arrival_ts timestamptz,
    closed_ns bigint,
    closed_ts timestamptz,
    order_qty float8,
    cum_qty float8,
    avg_px float8,
    fee float8,
    arrival_mid float8,
    slippage_bps float8,
    slippage_ccy float8,
    shortfall_total_bps float8,
    shortfall_total_ccy float8,
    participation_rate float8,
    performance_score float8,
    ts_ns bigint NOT NULL,
    known_ns bigint NOT NULL,
    seq bigint NOT NULL,
    missing integer NOT NULL,               -- metrics that are null; falls as horizons pass
    restated boolean NOT NULL,
    body json NOT NULL
);
CREATE INDEX order_tca_closed ON order_tca (closed_ts DESC);
CREATE INDEX order_tca_desk ON order_tca (desk, closed_ts DESC);

-- Statuses that changed what was said before: a bust, a correction or a late event.
CREATE TABLE restatements (
    order_id varchar(100) NOT NULL,
    "timestamp" timestamptz NOT NULL,
    seq bigint NOT NULL,
    ts_ns bigint NOT NULL,
    known_ns bigint NOT NULL,
    cause text,
    PRIMARY KEY (order_id, "timestamp", seq)
);

-- Bars of symbols with open orders.
CREATE TABLE market_bars (
    symbol text NOT NULL,
    ts timestamptz NOT NULL,                -- begin of the bar
    ts_ns bigint NOT NULL,
    interval_ms integer NOT NULL DEFAULT 1000,
    bid float8,
    ask float8,
    open float8,
    high float8,
    low float8,
    close float8,
    volume float8,
    vwap float8,
    trades bigint,
    UNIQUE (symbol, ts, interval_ms)
);
