/** A CA and a certificate for Redis servers of a test's own. */
import { join } from "node:path";
import { execute } from "./redis-servers.ts";

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A CA for this test, and a certificate of it for 127.0.0.1. */
export async function makeCertificates(dir: string): Promise<TlsFiles> {
  const at = (name: string): string => join(dir, name);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  await execute("openssl", ["req", "-x509", ...newKey, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=test CA"]);
  const by = [
    "-CA",
    at("ca.pem"),
    "-CAkey",
    at("ca.key"),
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-addext",
    "basicConstraints=CA:FALSE",
  ];
  await execute("openssl", ["req", "-x509", ...newKey, "-keyout", at("server.key"), "-out", at("server.pem"), "-subj", "/CN=redis", ...by]);
  return { ca: at("ca.pem"), cert: at("server.pem"), key: at("server.key") };
}

/** Settings of a server that speaks TLS only, on `port`. */
export const tlsSettings = ({ ca, cert, key }: TlsFiles, port: number): Record<string, string> => ({
  port: "0",
  "tls-port": String(port),
  "tls-ca-cert-file": ca,
  "tls-cert-file": cert,
  "tls-key-file": key,
  "tls-auth-clients": "no",
});
