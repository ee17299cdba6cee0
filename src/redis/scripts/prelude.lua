-- Put in front of every script that works on one run: its names, its clock and its record. What only some scripts share stands in files of its own
-- (moves, endings, people): Redis makes each function anew for every call, so the loader adds only the files that a script needs.
-- KEYS 1 run, 2 items, 3 intents, 4 approvals, 5 decisions, 6 events, 7 dispatch, 8 timers, 9 retention, 10 index, 11 agents, 12 pauses, 13 parked, 14 per script
-- ARGV 1 a JSON object of the short arguments, all of them text; then pairs of name and value of the long ones. The empty text is not sent.
--      Always: runId, channel (of the run), maxEvents. Of what a person said: said, the client's id for it.
-- Nothing is written before a script calls settling() or its first move. The loader puts the script into a function and calls flush() after it.
local key = {
  run = KEYS[1], items = KEYS[2], intents = KEYS[3], approvals = KEYS[4], decisions = KEYS[5], events = KEYS[6],
  dispatch = KEYS[7], timers = KEYS[8], retention = KEYS[9], index = KEYS[10], agents = KEYS[11], pauses = KEYS[12],
  parked = KEYS[13], extra = KEYS[14],
}
local arg = cjson.decode(ARGV[1])
for i = 2, #ARGV, 2 do arg[ARGV[i]] = ARGV[i + 1] end
setmetatable(arg, { __index = function() return "" end })

local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local now_text = time[1] .. string.format("%03d", now % 1000)
local LOOK_MS, GRACE_MS, NET_MS = 5000, 1000, 86400000

-- Control fields only: context, output and settings stay out of Lua.
local FIELDS = { "status", "token", "hop", "wake", "agent", "queue", "priority", "tenant", "attempts", "deaths", "deadlineAtMs",
  "cancelRequested", "maxHops", "itemsBytes", "suspension", "notBeforeMs", "turns", "lookDelayMs", "announceAtMs", "endedToken", "lastEnd", "conversationKeys",
  "pause", "parked", "itemsFrom", "turnsBefore" }
local run = {}
-- An absent field is false.
local function read(fields)
  local values = redis.call("HMGET", key.run, unpack(fields))
  for i = 1, #fields do run[fields[i]] = values[i] end
end
-- Who asks for a field that was not read gets them all: to read few is worth its line only in a script of every hop. There it pays: for each
-- field that is absent Redis looks through the whole record.
setmetatable(run, { __index = function(_, name)
  setmetatable(run, nil)
  local unknown = {}
  for _, field in ipairs(FIELDS) do
    if run[field] == nil then unknown[#unknown + 1] = field end
  end
  read(unknown)
  return run[name]
end })
local FINAL = { completed = true, failed = true, blocked = true, refused = true, cancelled = true, expired = true }

local function quote(text) return cjson.encode(text) end

-- Why the run should stop, or nil. A person's wish goes before the deadline.
local function stop_reason()
  if run.cancelRequested and run.cancelRequested ~= "" then return run.cancelRequested end
  if tonumber(run.deadlineAtMs) <= now then return "expired" end
end

-- The first write of a script that settles. Redis refuses a script at maxmemory only until it has written once, and ZREM passes.
local settles = false
local function settling()
  settles = true
  redis.call("ZREM", key.retention, "-")
end

-- Changes to the record are collected and written once, by flush(), when the script returns: each call out of Lua costs more than its work.
local changes, drops = {}, {}
local function set(...)
  local list = { ... }
  if #changes == 0 then
    changes = list
    return
  end
  for i = 1, #list do changes[#changes + 1] = list[i] end
end
-- Not what is known to be absent: Redis would look through the whole record for it. What is set later in the script stays.
local function unset(...)
  local list = { ... }
  for i = 1, #list do
    if rawget(run, list[i]) ~= false then drops[#drops + 1] = list[i] end
  end
end
local function flush()
  if #drops > 0 then redis.call("HDEL", key.run, unpack(drops)) end
  if #changes + #drops > 0 then redis.call("HSET", key.run, "updatedAtMs", now_text, unpack(changes)) end
end

local function append_event(json)
  redis.call("XADD", key.events, "MAXLEN", "~", arg.maxEvents, "*", "e", json)
  redis.call("PUBLISH", arg.channel, "event")
end

-- `extra` is JSON text that starts with a comma, or nil.
local function event(name, extra)
  append_event('{"type":"' .. name .. '","atMs":' .. now_text .. ',"hop":' .. run.hop
    .. ',"agent":' .. quote(run.agent) .. (extra or "") .. "}")
end
