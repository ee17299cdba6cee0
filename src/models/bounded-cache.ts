/** A small cache that forgets what was used longest ago. */

export interface BoundedCache<Value> {
  getOrMake(key: string, make: () => Value): Value;
}

export function createBoundedCache<Value>(maxEntries: number): BoundedCache<Value> {
  const entries = new Map<string, { readonly value: Value }>();
  return {
    getOrMake: (key, make) => {
      const entry = entries.get(key) ?? { value: make() };
      // A map keeps the order of insertion: put in again, the entry is the youngest.
      entries.delete(key);
      entries.set(key, entry);
      const [oldest] = entries.keys();
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
      return entry.value;
    },
  };
}
