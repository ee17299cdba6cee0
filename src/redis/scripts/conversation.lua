-- Changes a conversation from outside its runs: trims it, appends to it, makes it, or deletes it. Stands alone: no run is touched.
-- KEYS 1 record, 2 queue, 3 turns, 4 the tenant's index
-- ARGV 1 id, 2 change id, 3 keepMs, 4 "change" or "remove"; for "change": 5 how many of the newest turns stay, 6 id of the newest turn, which goes
--      as well ("" for none), 7 "1" when there must be no such conversation yet, 8 the most bytes that it may hold when
--      something is appended, 9... turns to append (ConversationTurn JSON)
-- Returns {"changed"} | {"removed"} | {"unknown"} | {"moved"} (it is there already, or its newest turn is another) | {"full"} | {"busy", run that has the turn}
-- Keeps I1 (what a run was shown stays while it lives), I9 (a time to live from each use), I12 (the same change id is made once).
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local id, change_id = ARGV[1], ARGV[2]
-- As `use_conversation` of moves.lua: a shorter time shortens nothing.
local keep_ms = math.max(tonumber(ARGV[3]), redis.call("PTTL", KEYS[4]))
local known = redis.call("EXISTS", KEYS[1]) == 1
local holder = redis.call("LINDEX", KEYS[2], 0)

if ARGV[4] == "remove" then
  if holder then return { "busy", holder } end
  redis.call("ZREM", KEYS[4], id)
  if not known then return { "unknown" } end
  redis.call("UNLINK", KEYS[1], KEYS[2], KEYS[3])
  return { "removed" }
end

if known and redis.call("HGET", KEYS[1], "changeId") == change_id then return { "changed" } end
if holder then return { "busy", holder } end
if ARGV[7] == "1" and known then return { "moved" } end
local newest
if ARGV[6] ~= "" then
  newest = redis.call("LINDEX", KEYS[3], -1)
  if not newest or cjson.decode(newest).id ~= ARGV[6] then return { "moved" } end
end

local keep = tonumber(ARGV[5])
local bytes = keep > 0 and tonumber(redis.call("HGET", KEYS[1], "bytes") or 0) or 0
if keep > 0 then
  for _, dropped in ipairs(redis.call("LRANGE", KEYS[3], 0, -keep - 1)) do bytes = bytes - #dropped end
end
if newest then bytes = bytes - #newest end
for i = 9, #ARGV do bytes = bytes + #ARGV[i] end
if #ARGV > 8 and bytes > tonumber(ARGV[8]) then return { "full" } end

redis.call("HSET", KEYS[1], "changeId", change_id, "bytes", bytes)
redis.call("HSETNX", KEYS[1], "createdAtMs", now)
if keep == 0 then redis.call("DEL", KEYS[3]) else redis.call("LTRIM", KEYS[3], -keep, -1) end
if newest then redis.call("RPOP", KEYS[3]) end
for i = 9, #ARGV do redis.call("RPUSH", KEYS[3], ARGV[i]) end
redis.call("ZADD", KEYS[4], now, id)
-- As `forget_lapsed` there.
local records = string.sub(KEYS[1], 1, -#id - 1)
for _, oldest in ipairs(redis.call("ZRANGE", KEYS[4], 0, 9)) do
  if redis.pcall("EXISTS", records .. oldest) ~= 0 then break end
  redis.call("ZREM", KEYS[4], oldest)
end
for i = 1, 4 do redis.call("PEXPIRE", KEYS[i], keep_ms) end
return { "changed" }
