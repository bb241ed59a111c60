"""What the status store does with a change of an alert, each step whole.

An alert's own hash says which change is its newest; the orders it concerns are told one by
one afterwards, so that an alert about a venue with thousands of orders keeps nobody waiting.
"""

from domain.thresholds import AlertType
from domain.topics import ALERT_FEED, ALERT_UPDATES, FEED

# KEYS: the alert, open alerts, those of its desk. ARGV: number, id, desk, alert, transition,
# what is told, beginning in ms or '' where it is over, time to live in ms, length of the feed,
# most transitions kept. Answers with the orders told before, nothing for what is no newer.
CHANGE = f"""
local known = redis.call('HMGET', KEYS[1], 'seq', 'orders')
local seq = tonumber(ARGV[1])
if known[1] and seq < tonumber(known[1]) then return false end
local orders = known[2] or '[]'
if known[1] and seq == tonumber(known[1]) then return orders end
redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'desk', ARGV[3], 'body', ARGV[4],
  't' .. ARGV[1], ARGV[5])
local oldest = seq - tonumber(ARGV[10])
if oldest > 1 then redis.call('HDEL', KEYS[1], 't' .. oldest) end
if ARGV[7] == '' then
  redis.call('ZREM', KEYS[2], ARGV[2])
  redis.call('ZREM', KEYS[3], ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[8])
else
  redis.call('ZADD', KEYS[2], ARGV[7], ARGV[2])
  redis.call('ZADD', KEYS[3], ARGV[7], ARGV[2])
  redis.call('PERSIST', KEYS[1])
end
redis.call('PUBLISH', '{ALERT_UPDATES}', ARGV[6])
redis.call('XADD', '{ALERT_FEED}', 'MAXLEN', '~', ARGV[9], '*',
  'alert_id', ARGV[2], 'desk', ARGV[3], 'seq', ARGV[1], 'body', ARGV[6])
return orders
"""

# KEYS: the alert, the order's open alerts, its status, its channel. ARGV: number, alert, order,
# type or '' where the order has it no more, time to live in ms, length of the feed.
TELL_ORDER = f"""
if redis.call('HGET', KEYS[1], 'seq') ~= ARGV[1] then return 0 end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
end
local has, found = {{}}, {{}}
for _, type in ipairs(redis.call('HVALS', KEYS[2])) do has[type] = true end
for _, type in ipairs({{{", ".join(f"'{name}'" for name in AlertType)}}}) do
  if has[type] then found[#found + 1] = '"' .. type .. '"' end
end
local alerts = #found > 0 and '[' .. table.concat(found, ',') .. ']' or false
local known = redis.call('HMGET', KEYS[3], 'alerts', 'body', 'desk')
if known[1] == alerts then return 0 end
if alerts then
  redis.call('HSET', KEYS[3], 'alerts', alerts)
  if not known[2] then redis.call('PEXPIRE', KEYS[3], ARGV[5]) end
else
  redis.call('HDEL', KEYS[3], 'alerts')
end
if not known[2] then return 1 end
local body, empty = known[2], ',"alerts":[],'
local at = string.find(body, empty, 1, true)
if at and alerts then
  body = string.sub(body, 1, at - 1) .. ',"alerts":' .. alerts .. ','
    .. string.sub(body, at + #empty)
end
redis.call('PUBLISH', KEYS[4], body)
redis.call('XADD', '{FEED}', 'MAXLEN', '~', ARGV[6], '*',
  'order_id', ARGV[3], 'desk', known[3] or '', 'seq', '-1', 'body', body)
return 1
"""

# KEYS: the alert. ARGV: number, the orders that were told.
TOLD = """
if redis.call('HGET', KEYS[1], 'seq') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'orders', ARGV[2])
end
return 0
"""
