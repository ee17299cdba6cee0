/** What differs between what must be and what is. */
import { isDeepStrictEqual } from "node:util";

/** What differs, in words; nothing when all is as it must be. */
export function differences(what: string, expected: object, found: object): string[] {
  return Object.entries(expected).flatMap(([key, value]) => {
    const got: unknown = Reflect.get(found, key);
    return isDeepStrictEqual(got, value) ? [] : [`${what}: expected ${key} ${JSON.stringify(value)}, got ${JSON.stringify(got)}`];
  });
}
