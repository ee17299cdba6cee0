-- Ends the pause of an agent or a tenant. What is parked under it is queued again in pages, by whoever finds the scope in `resuming`: a resumer
-- that dies in the middle loses nothing.
-- KEYS 1 pauses, 2 resuming
-- ARGV 1 scope
-- Returns 1 | 0 (it was not paused, and nothing is left to be resumed)
-- Keeps I3, I12 (while runs are still parked, the second time is answered as the first).
redis.call("ZREM", KEYS[2], "-")
if redis.call("HDEL", KEYS[1], ARGV[1]) == 1 then
  redis.call("ZADD", KEYS[2], 0, ARGV[1])
  return 1
end
return redis.call("ZSCORE", KEYS[2], ARGV[1]) and 1 or 0
