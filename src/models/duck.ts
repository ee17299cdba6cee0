/**
 * Reading values of unknown shape. Errors and responses come from several copies of several packages, so `instanceof` lies about them;
 * fields and class names do not.
 */

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;

/** A field of an object, or undefined for anything that has none. */
export const field = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined);

export const textField = (value: unknown, name: string): string | undefined => {
  const found = field(value, name);
  return typeof found === "string" && found !== "" ? found : undefined;
};

export const numberField = (value: unknown, name: string): number | undefined => {
  const found = field(value, name);
  return typeof found === "number" && Number.isFinite(found) ? found : undefined;
};

/** Names of the value's class and its ancestors, nearest first, and its own `name`. */
export function classNames(value: unknown): readonly string[] {
  if (!isObject(value)) return [];
  const names: string[] = [];
  for (let prototype: unknown = Object.getPrototypeOf(value); isObject(prototype); prototype = Object.getPrototypeOf(prototype)) {
    const maker = prototype["constructor"];
    if (typeof maker === "function") names.push(maker.name);
  }
  const own = textField(value, "name");
  return own === undefined ? names : [...names, own];
}
