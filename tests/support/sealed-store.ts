/** A store under test that seals. */
import { randomBytes } from "node:crypto";
import { payloadCodec } from "../../src/codec/payload-codec.ts";
import { createSealedLiveText } from "../../src/codec/sealed-live-text.ts";
import { createSealedRunStore } from "../../src/codec/sealed-run-store.ts";
import type { StoreUnderTest } from "./run-store-fixture.ts";

export const newKey = (): string => randomBytes(32).toString("base64");

/** Of one process: stores that are opened apart read what the others sealed. */
export const testCodec = payloadCodec({ keys: { k1: newKey(), k2: newKey() }, current: "k2", requireSealed: true });

export const sealedStore = (opened: StoreUnderTest, codec = testCodec): StoreUnderTest => ({
  ...opened,
  store: createSealedRunStore(opened.store, codec),
  live: createSealedLiveText(opened.live, codec),
});
