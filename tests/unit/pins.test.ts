/** What is pinned stays pinned: images by version, packages by exact version. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

/** `name:1.2.3`, from `image: ${VARIABLE:-name:1.2.3}` and the like. */
const images = (text: string): string[] =>
  [...text.matchAll(/(?:image: |IMAGE=|_IMAGE:-)(?:\$\{\w+:-)?([a-z][\w./-]*:?[\w.-]*)/g)].map((match) => match[1] ?? "");

test.each(["docker-compose.yml", "Dockerfile", "tools/litellm/Dockerfile"])("%s names images by their full version", async (path) => {
  const found = images(await read(path));
  expect(found.length).toBeGreaterThan(0);
  expect(found.filter((image) => !/^[\w./-]+:\d+\.\d+\.\d+(-\w+)?$/.test(image))).toEqual([]);
  expect(await read(path)).not.toContain("latest");
});

test("the tests' own image is the one of docker-compose.yml", async () => {
  const [, image] = /DEFAULT_IMAGE = "(.+)"/.exec(await read("tests/support/global-setup.ts")) ?? [];
  expect(images(await read("docker-compose.yml"))).toContain(image);
});

test("workers can be scaled: no container name, no published port, time to finish a step", async () => {
  const compose = await read("docker-compose.yml");
  expect(compose).not.toMatch(/^\s+(container_name|ports):/m);
  expect(compose).toMatch(/^ {2}worker:[\s\S]*?stop_grace_period: 30s/m);
});

test("every dependency has an exact version, and the lock file no download address", async () => {
  const manifest: { dependencies: Record<string, string>; devDependencies: Record<string, string> } = JSON.parse(
    await read("package.json"),
  );
  const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
    ([, version]) => !/^(file:.+|(npm:.+@)?\d+\.\d+\.\d+)$/.test(version),
  );
  expect(ranges).toEqual([]);
  expect(await read("package-lock.json")).not.toContain('"resolved": "http');
});

test("LiteLLM and all that it needs have an exact version and hashes, which its image asks for; the pages name that release", async () => {
  const lock = await read("tools/litellm/requirements.txt");
  const packages = lock.split(/\n(?=\S)/);
  expect(packages.length).toBeGreaterThan(50);
  expect(packages.filter((entry) => !/^[\w.-]+==\S+[^\n]*\n {4}--hash=sha256:[0-9a-f]{64}/.test(entry))).toEqual([]);
  expect(await read("tools/litellm/Dockerfile")).toContain("--require-hashes -r /app/requirements.txt");
  const [, release = "?"] = /^litellm==(\S+)/m.exec(lock) ?? [];
  for (const page of ["docs/how-to/litellm.md", "docs/litellm-contract.md"]) {
    const named = [...(await read(page)).matchAll(/LiteLLM (\d+\.\d+\.\d+)/g)].map(([, version]) => version);
    expect(new Set(named), page).toEqual(new Set([release]));
  }
});
