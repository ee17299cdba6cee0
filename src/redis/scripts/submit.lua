-- Stores a new run, queued with wake 0, and its first dispatch entry; behind other runs of its conversation it is suspended without one. With an
-- origin it takes things over from its source as well.
-- KEYS the run's; 14 (only with an idempotency key) idem; with an origin, which takes no idempotency key: 14 the journal of its hop, 15 its
--      recordings, 16 the source's record
-- ARGV agent, queue ("" when the registry must tell), tenant, priority, items, context, metadata, settings (JSON), idempotencyKey ("" for none),
--      inputHash, delayMs, deadlineMs, maxHops, idemTtlMs, tags (JSON, "" for none), tools and model ("" for live, and for the agents' own),
--      conversation ("" for none), conversationKeys (JSON: names of its keys), maxWaiting; with an origin: origin (JSON), kind, source (run id), hop,
--      root, hopBuild, entryAgent, turnsBefore, turns, conversationJson, journalNetMs, maxChildren, and for each seed
--      "seed <journal | intent | decision | recording> <field>"
-- Returns {"created", wake JSON or "" while it waits for its turn, agentSeenAtMs or ""} | {"conversation-full"}
--         | {"duplicate", runId} | {"conflict", runId} | {"unknown-agent", known name...}
--         | {"source-gone"} | {"source-open", status}: only a run that ended without an output is retried
-- Keeps I1, I3, I6 (who waits for a turn holds nothing), I8 (a run is retried once, and is no failure then that nobody looked at), I11 (the
-- source is of the same tenant), I12. At maxmemory it is refused whole: its first write is one that Redis refuses.
if redis.call("EXISTS", key.run) == 1 then return { "duplicate", arg.runId } end
local seeded = arg.origin ~= ""
local earlier = not seeded and key.extra and redis.call("GET", key.extra)
if earlier then
  local run_id, hash = string.match(earlier, "^(%S+) (.*)$")
  if hash == arg.inputHash then return { "duplicate", run_id } end
  return { "conflict", run_id }
end
local source = {}
if seeded then
  source.status, source.tenant, source.continuedAs, source.children, source.failure =
    unpack(redis.call("HMGET", KEYS[16], "status", "tenant", "continuedAs", "children", "failure"))
  if not source.status or source.tenant ~= arg.tenant then return { "source-gone" } end
  if arg.kind == "retry" and source.continuedAs then return { "duplicate", source.continuedAs } end
  if arg.kind == "retry" and (not FINAL[source.status] or source.status == "completed") then return { "source-open", source.status } end
end
local seen_at = ""
local entry = redis.call("HGET", key.agents, arg.agent)
if entry then
  entry = cjson.decode(entry)
  seen_at = string.format("%.0f", entry.seenAtMs)
  if arg.queue == "" then arg.queue = entry.queue end
end
if arg.queue == "" then return { "unknown-agent", unpack(redis.call("HKEYS", key.agents), 1, 100) } end

local talk = arg.conversation ~= "" and cjson.decode(arg.conversationKeys)
find_conversation(talk)
local ahead = talk and redis.call("LLEN", talk.queue) or 0
if talk and ahead >= tonumber(arg.maxWaiting) then return { "conversation-full" } end

run = { status = "queued", hop = seeded and arg.hop or "0", wake = "0", agent = arg.agent, queue = arg.queue, priority = arg.priority, tenant = arg.tenant, attempts = "0" }
local due_at, deadline_at = now + tonumber(arg.delayMs), string.format("%.0f", now + arg.deadlineMs)
-- In front what is read and written most: Redis looks for a field from the front on.
redis.call("HSET", key.run, "status", "queued", "hop", run.hop, "updatedAtMs", now_text, "agent", arg.agent, "tenant", arg.tenant,
  "deadlineAtMs", deadline_at, "turns", seeded and arg.turns or "0", "attempts", "0", "itemsBytes", #arg.items, "wake", "0",
  "turnsBefore", seeded and arg.turnsBefore or "0", "queue", arg.queue, "priority", arg.priority, "maxHops", arg.maxHops,
  "lookDelayMs", LOOK_MS, "retries", "0", "resamples", "0", "v", "1", "runId", arg.runId, "createdAtMs", now_text,
  "entryAgent", seeded and arg.entryAgent or arg.agent, "metadata", arg.metadata, "context", arg.context, "settings", arg.settings)
if arg.tags ~= "" then set("tags", arg.tags) end
if arg.tools ~= "" then set("tools", arg.tools) end
if arg.model ~= "" then set("model", arg.model) end
if arg.idempotencyKey ~= "" then set("idempotencyKey", arg.idempotencyKey) end
if tonumber(arg.delayMs) > 0 then
  set("notBeforeMs", due_at)
else
  due_at = now + LOOK_MS
end
redis.call("RPUSH", key.items, arg.items)
redis.call("ZADD", key.dispatch, due_at, arg.runId)
redis.call("ZADD", key.timers, deadline_at, arg.runId)
redis.call("ZADD", key.index, 0, indexed("*", "queued"), 0, indexed(run.tenant, "queued"), 0, indexed("*", "*"), 0, indexed(run.tenant, "*"))
if key.extra and not seeded then redis.call("SET", key.extra, arg.runId .. " " .. arg.inputHash, "PX", arg.idemTtlMs) end
event("run.queued", ',"queue":' .. quote(arg.queue) .. (seeded and ',"origin":' .. arg.origin or ""))

if seeded then
  local seeds = {}
  function seeds.journal(field, value)
    redis.call("HSET", key.extra, field, value)
    set("journaled", run.hop)
  end
  function seeds.intent(field, value) redis.call("HSET", key.intents, field, "seed\n" .. value) end
  function seeds.decision(field, value) redis.call("HSET", key.decisions, field, value) end
  function seeds.recording(field, value) redis.call("HSET", KEYS[15], field, value) end

  -- The new one first; only so many are named.
  local function children()
    local names = { arg.kind .. "/" .. arg.runId }
    for name in string.gmatch(source.children or "", "%S+") do
      if #names < tonumber(arg.maxChildren) then names[#names + 1] = name end
    end
    return table.concat(names, " ")
  end

  for name, value in pairs(arg) do
    local part, field = string.match(name, "^seed (%a+) (.*)$")
    if part then seeds[part](field, value) end
  end
  set("origin", arg.origin, "root", arg.root)
  if arg.hopBuild ~= "" then set("hopBuild", arg.hopBuild) end
  if arg.conversationJson ~= "" then set("conversationJson", arg.conversationJson) end
  local gone_at = now + tonumber(arg.deadlineMs) + tonumber(arg.journalNetMs)
  for _, name in ipairs({ key.extra, KEYS[15] }) do redis.call("PEXPIREAT", name, gone_at) end
  redis.call("HSET", KEYS[16], "children", children())
  if arg.kind == "retry" then
    redis.call("HSET", KEYS[16], "continuedAs", arg.runId)
    if source.failure then
      for _, tenant in ipairs({ "*", arg.tenant }) do redis.call("ZREM", key.index, tenant .. "/" .. source.failure .. "/" .. arg.source) end
    end
  end
end

if talk then
  redis.call("RPUSH", talk.queue, arg.runId)
  set("conversation", arg.conversation, "conversationKeys", arg.conversationKeys)
  use_conversation(talk)
end
if ahead > 0 then
  redis.call("ZREM", key.dispatch, arg.runId)
  move("suspended")
  set("suspension", "conversation")
  event("run.suspended", ',"suspension":"conversation"')
  return { "created", "", seen_at }
end
return { "created", cjson.encode(wake_job()), seen_at }
