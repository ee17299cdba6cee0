/** Puts the name of a test's project, which is its folder, on it as a tag. Vitest asks for a default export. */
import { TestRunner } from "vitest";
import type { RunnerTestFile } from "vitest";

export default class FolderTagRunner extends TestRunner {
  override onCollectStart(file: RunnerTestFile): void {
    const folder = this.config.name;
    if (folder !== undefined && folder !== "") file.tags = [...new Set([...(file.tags ?? []), folder])];
    super.onCollectStart?.(file);
  }
}
