/**
 * Redis addresses: every form that the project takes, parsed and shown in one place. What an address needs beyond hosts (a CA, a second
 * password) stands in its query, so that one string reaches every connection, that of the heartbeat thread included.
 */
import { readFileSync } from "node:fs";
import { FleetError } from "../protocol/errors.ts";

/** For messages: the forms, without a word on options. */
export const ADDRESS_FORMS = "redis://, rediss://, redis+sentinel://, redis+cluster:// or redis+unix:///";

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name that the certificate must hold, where it is not the host's. */
  readonly servername?: string;
}

export interface RedisLogin {
  readonly username?: string;
  readonly password?: string;
}

export type RedisAddress =
  | { readonly kind: "socket"; readonly path: string; readonly db: number; readonly login: RedisLogin }
  | (NetAddress & { readonly kind: "single"; readonly db: number })
  | (NetAddress & { readonly kind: "sentinel"; readonly db: number; readonly master: string; readonly sentinelLogin: RedisLogin })
  | (NetAddress & { readonly kind: "cluster" });

interface NetAddress {
  /** At least one. A single server has one, Sentinel those of its sentinels. */
  readonly nodes: readonly [RedisNode, ...RedisNode[]];
  readonly login: RedisLogin;
  /** Absent: without TLS. */
  readonly tls?: RedisTls;
  /** 4 or 6, where a name has addresses of both. */
  readonly family?: number;
}

const DEFAULT_PORT = 6_379;
const DEFAULT_SENTINEL_PORT = 26_379;
const SOCKET = /^(?:redis\+unix:(?:\/\/)?|unix:(?:\/\/)?)?(\/[^?]+)(?:\?(.*))?$/;
const NET = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const NODE = /^(?:\[([\da-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i;
const TLS_FILES = ["ca", "cert", "key"] as const;
const QUERY = {
  socket: ["db", "username", "password"],
  single: ["db", "family", "username", "password", "servername", ...TLS_FILES],
  sentinel: ["db", "family", "username", "password", "sentinelUsername", "sentinelPassword", "servername", ...TLS_FILES],
  cluster: ["family", "username", "password", "servername", ...TLS_FILES],
} satisfies Record<RedisAddress["kind"], readonly string[]>;

/** Reads the files that `ca`, `cert` and `key` name. @throws FleetError INPUT_INVALID, without the password. */
export function parseRedisAddress(url: string): RedisAddress {
  const socket = SOCKET.exec(url);
  if (socket?.[1] !== undefined) {
    const query = readQuery("socket", socket[2]);
    return { kind: "socket", path: socket[1], db: toDb(query.get("db")), login: loginOf(undefined, query, "username", "password") };
  }
  const net = NET.exec(url);
  if (net === null) {
    throw invalid(`Expected a Redis URL such as redis://localhost:6379; got ${redactRedisUrl(url)}.`, `use ${ADDRESS_FORMS}`);
  }
  const [, s, form = "single", user, hosts = "", path, search] = net;
  // What the pattern's own alternatives are.
  const kind = form as "single" | "sentinel" | "cluster";
  const query = readQuery(kind, search);
  const shared = {
    nodes: toNodes(hosts, kind === "sentinel" ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT),
    login: loginOf(user, query, "username", "password"),
    ...(s === "s" ? { tls: readTls(query) } : {}),
    ...(query.has("family") ? { family: toInt("family", query.get("family"), [4, 6]) } : {}),
  };
  if (s !== "s" && TLS_FILES.some((name) => query.has(name))) throw invalid("The Redis URL names TLS files but not TLS.", "use rediss");
  return ofKind(kind, shared, path ?? "", query);
}

function ofKind(kind: "single" | "sentinel" | "cluster", shared: NetAddress, path: string, query: Query): RedisAddress {
  if (kind === "single") {
    if (shared.nodes.length > 1) throw invalid("A redis:// URL names one server.", "use redis+sentinel:// or redis+cluster://");
    return { ...shared, kind, db: toDb(query.get("db") ?? path) };
  }
  if (kind === "cluster") {
    if (path !== "" && path !== "0") throw invalid("A Redis Cluster has database 0 only.", "leave the path of redis+cluster:// out");
    return { ...shared, kind };
  }
  if (path === "") throw invalid("The Sentinel URL names no master.", "use redis+sentinel://host:26379,host:26379/<master>");
  const sentinelLogin = loginOf(undefined, query, "sentinelUsername", "sentinelPassword");
  return { ...shared, kind, db: toDb(query.get("db")), master: decode(path), sentinelLogin };
}

/** The address as it may be shown: without user, password and query. */
export function redactRedisUrl(url: string): string {
  const [, scheme = "", authority = "", path = "", behind = ""] = /^(?:([a-z][a-z+]*:(?:\/\/)?))?([^/?#]*)([^?#]*)(.*)$/is.exec(url) ?? [];
  if (scheme === "" && !url.startsWith("/")) return "(not a URL)";
  // An unescaped / or ? in a password ends the authority too early: then nothing of it is shown.
  if (authority !== "" && !authority.includes("@") && `${path}${behind}`.includes("@")) return `${scheme}…`;
  return `${scheme}${authority.slice(authority.lastIndexOf("@") + 1)}${path}`;
}

type Query = ReadonlyMap<string, string>;

function readQuery(kind: RedisAddress["kind"], search: string | undefined): Query {
  const query = new Map(new URLSearchParams(search));
  const known: readonly string[] = QUERY[kind];
  const unknown = [...query.keys()].find((name) => !known.includes(name));
  if (unknown === undefined) return query;
  throw invalid(`The Redis URL has an unknown parameter ${JSON.stringify(unknown)}.`, `use ${known.join(", ")}`);
}

function toNodes(hosts: string, defaultPort: number): [RedisNode, ...RedisNode[]] {
  const [first, ...others] = hosts.split(",").map((part) => toNode(part, defaultPort));
  if (first === undefined) throw invalid("The Redis URL names no host.", "use redis://host:6379");
  return [first, ...others];
}

function toNode(part: string, defaultPort: number): RedisNode {
  const [, v6, name, port] = NODE.exec(part) ?? [];
  const host = v6 ?? name;
  const number = port === undefined ? defaultPort : Number(port);
  if (host === undefined || number < 1 || number > 65_535) throw invalid("The Redis URL has a host that is none.", "use host:port");
  return { host, port: number };
}

function loginOf(user: string | undefined, query: Query, usernameName: string, passwordName: string): RedisLogin {
  const [, name = "", secret] = /^([^:]*)(?::(.*))?$/s.exec(user ?? "") ?? [];
  const username = name === "" ? query.get(usernameName) : decode(name);
  const password = secret === undefined || secret === "" ? query.get(passwordName) : decode(secret);
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("The Redis URL holds a % that escapes nothing.", "write % as %25");
  }
}

function readTls(query: Query): RedisTls {
  const servername = query.get("servername");
  const files = TLS_FILES.flatMap((name) => {
    const path = query.get(name);
    return path === undefined ? [] : [[name, readPem(name, path)] as const];
  });
  return { ...Object.fromEntries(files), ...(servername === undefined ? {} : { servername }) };
}

function readPem(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw invalid(`The Redis URL's ${name} file cannot be read: ${path}.`, "name a PEM file by its absolute path", cause);
  }
}

const toDb = (text: string | undefined): number => (text === undefined || text === "" ? 0 : toInt("db", text));

function toInt(name: string, text: string | undefined, allowed?: readonly number[]): number {
  const value = /^\d{1,5}$/.test(text ?? "") ? Number(text) : Number.NaN;
  if (Number.isInteger(value) && (allowed === undefined || allowed.includes(value))) return value;
  throw invalid(
    `The Redis URL's ${name} is not ${allowed === undefined ? "a number" : `one of ${allowed.join(", ")}`}.`,
    `correct ${name}`,
  );
}

const invalid = (message: string, remedy: string, cause?: unknown): FleetError =>
  new FleetError("INPUT_INVALID", message, { at: "redis", remedy, ...(cause === undefined ? {} : { cause }) });
