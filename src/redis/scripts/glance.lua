-- Looks again later at queued runs whose dispatch entry is due, many at once: a backlog must not cost a look for each.
-- KEYS 1 dispatch, 2 retention, 3... run records
-- ARGV 1 the longest time between two looks (ms), then the run id of each record
-- Returns {ids of the runs that are not simply queued: look at each, flat list of run id, wake, agent, queue, priority, attempts of the others}
-- Keeps I3. Its first write passes at maxmemory.
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local rest, waiting = {}, {}
redis.call("ZREM", KEYS[2], "-")
for i = 3, #KEYS do
  local run_id = ARGV[i - 1]
  local run = redis.call("HMGET", KEYS[i], "status", "wake", "agent", "queue", "priority", "attempts", "lookDelayMs", "notBeforeMs",
    "cancelRequested", "deadlineAtMs")
  local at = tonumber(redis.call("ZSCORE", KEYS[1], run_id) or now + 1)
  local plain = run[1] == "queued" and at <= now and tonumber(run[8] or 0) <= now and not run[9] and tonumber(run[10]) > now
  if plain then
    local delay = tonumber(run[7])
    redis.call("ZADD", KEYS[1], now + delay, run_id)
    redis.call("HSET", KEYS[i], "lookDelayMs", math.min(delay * 3, tonumber(ARGV[1])))
    for _, value in ipairs({ run_id, run[2], run[3], run[4], run[5], run[6] }) do waiting[#waiting + 1] = value end
  else
    rest[#rest + 1] = run_id
  end
end
return { rest, waiting }
