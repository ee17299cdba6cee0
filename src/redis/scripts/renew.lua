-- Prolongs the leases of runs that one process holds. Stands alone: it works on many runs.
-- KEYS 1 dispatch, 2 retention, 3... run records
-- ARGV 1 leaseMs, then per record: runId, token
-- Returns the ids of runs whose token is no longer current
-- Keeps I2, I3. Its first write passes at maxmemory.
local time = redis.call("TIME")
local score = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1]) + 1000
local lost, kept = {}, {}
for i = 3, #KEYS do
  local run_id, token = ARGV[2 * i - 4], ARGV[2 * i - 3]
  local record = redis.call("HMGET", KEYS[i], "status", "token")
  local list = record[1] == "running" and record[2] == token and kept or lost
  list[#list + 1] = run_id
end
redis.call("ZREM", KEYS[2], "-")
for _, run_id in ipairs(kept) do redis.call("ZADD", KEYS[1], score, run_id) end
return lost
