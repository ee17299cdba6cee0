-- Lists the runs to look at now, those that came due last first: a lease that has just lapsed must not wait behind a backlog. Stands alone and writes nothing.
-- KEYS 1 dispatch, 2 timers, 3 resuming
-- ARGV 1 limit
-- Returns {run ids, when the next one is due (epoch ms) or "", scopes under which resumed runs are still parked (at most 10)}
-- Keeps I3.
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ids, seen, next_at = {}, {}, nil
for _, set in ipairs({ KEYS[1], KEYS[2] }) do
  for _, id in ipairs(redis.call("ZREVRANGEBYSCORE", set, now, "-inf", "LIMIT", 0, ARGV[1])) do
    if not seen[id] and #ids < tonumber(ARGV[1]) then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
  local following = redis.call("ZRANGEBYSCORE", set, "(" .. string.format("%.0f", now), "+inf", "WITHSCORES", "LIMIT", 0, 1)
  local at = tonumber(following[2])
  if at and (not next_at or at < next_at) then next_at = at end
end
return { ids, next_at and string.format("%.0f", next_at) or "", redis.call("ZRANGE", KEYS[3], 0, 9) }
