-- Pauses an agent or a tenant. Stands alone: its runs are parked one by one, when their time comes.
-- KEYS 1 pauses, 2 resuming
-- ARGV 1 scope, 2 the scope's kind, 3 note (JSON members: by, reason), 4 the most scopes that may be paused
-- Returns {"paused"} | {"already-paused", pause (JSON)} | {"too-many"}
-- Keeps I9, I12 (asking twice changes nothing).
local earlier = redis.call("HGET", KEYS[1], ARGV[1])
if earlier then return { "already-paused", earlier } end
if redis.call("HLEN", KEYS[1]) >= tonumber(ARGV[4]) then return { "too-many" } end
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call("HSET", KEYS[1], ARGV[1], '{"scope":"' .. ARGV[2] .. '",' .. ARGV[3] .. ',"atMs":' .. string.format("%.0f", now) .. "}")
redis.call("ZREM", KEYS[2], ARGV[1])
return { "paused" }
