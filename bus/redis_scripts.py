"""Scripts that the server runs whole, so that nothing comes between their steps."""

# Nothing is set where anything differs, so a refused layout leaves no trace.
SET_UP = """
for i = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if known and known ~= ARGV[i + 1] then return {ARGV[i], known, ARGV[i + 1]} end
end
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return {}
"""
TRIM = """
local before = redis.call('HGET', KEYS[2], ARGV[1])
local function parts(id)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #n) .. n
end
if not before or parts(ARGV[2]) > parts(before) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
return redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[2])
"""
LAG = """
local from, seen = ARGV[1], 0
while true do
  local found = redis.call('XRANGE', KEYS[1], '(' .. from, '+', 'COUNT', 1000)
  seen = seen + #found
  if #found < 1000 then return seen end
  from = found[#found][1]
end
"""
TAKE_CLOCK = """
local kind = redis.call('HGET', KEYS[2], 'clock')
if kind and kind ~= ARGV[2] then return {'kind', kind} end
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return {'owner', owner} end
redis.call('HSET', KEYS[2], 'clock', ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return {}
"""
# A server that is full refuses a script only before its first write: messages come first.
TICK = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #KEYS do
  redis.call('XADD', KEYS[i], '*', 'content-type', ARGV[3], 'body', ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
RELEASE_CLOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""
