import { openMemoryStore } from "../../support/memory-store.ts";
import { runStoreSuite } from "../../support/run-store-suite.ts";

runStoreSuite("memory run store", async (options) => openMemoryStore(options));
