/**
 * What state consists of: how each kind of it is written as bytes, and what may be read back. A part of the machine
 * states its own in one record, beside the state itself. What is read has the right types and is within the bounds
 * stated, or it is refused; bounds that depend on other state are the business of whoever restores it.
 */
import type { ByteReader, ByteWriter } from "./byte-stream.ts";
import { SnapshotError } from "./snapshot-error.ts";

/** How values of type `T` are kept. */
export interface Field<T> {
  write(to: ByteWriter, value: T): void;
  /** Throws SnapshotError. */
  read(from: ByteReader): T;
}

/** A whole number from `least` to `most`. */
export function integer(least: number, most: number): Field<number> {
  return {
    write: (to, value) => {
      // A mistake of whoever states the bounds: the snapshot could not be read.
      if (!Number.isSafeInteger(value) || value < least || value > most)
        throw new RangeError(`${value} is no whole number from ${least} to ${most}`);
      to.number(value - least);
    },
    read: (from) => {
      const value = from.number() + least;
      return value <= most ? value : from.refuse(`is ${value}, and cannot be more than ${most}`);
    },
  };
}

export const u8 = integer(0, 0xff);
export const u16 = integer(0, 0xffff);
export const u32 = integer(0, 0xffff_ffff);
/** Beyond all counts of events and times in ticks that there can be; sums of a few are exact. */
const FOREVER = 2 ** 50;
/** A count of events, or a time in ticks since the start. */
export const counter = counted(integer(0, FOREVER));
/** A time in ticks, perhaps before the start. */
export const tick = counted(integer(-FOREVER, FOREVER));

/** What grows while a guest runs: a file can say that it is nearly as large as it may be, and then it becomes larger. */
function counted(field: Field<number>): Field<number> {
  return {
    ...field,
    write: (to, value) => {
      if (value > FOREVER) throw new SnapshotError(`the guest cannot be saved: it has counted to ${value}`);
      field.write(to, value);
    },
  };
}

export const flag: Field<boolean> = {
  write: (to, value) => to.byte(value ? 1 : 0),
  read: (from) => {
    const byte = from.byte();
    return byte > 1 ? from.refuse("is neither yes nor no") : byte === 1;
  },
};

/** A word, signed. */
export const i32: Field<number> = {
  write: (to, value) => to.word(value),
  read: (from) => from.word() | 0,
};

/** `length` words. */
export function words(length: number): Field<Int32Array> {
  return {
    write: (to, value) => {
      for (const word of value) to.word(word);
    },
    read: (from) => Int32Array.from({ length }, () => from.word()),
  };
}

/** Up to `most` bytes. */
export function byteString(most: number): Field<Uint8Array> {
  return {
    write: (to, value) => {
      to.number(value.length);
      to.raw(value);
    },
    read: (from) => {
      const length = from.number();
      return length <= most ? from.raw(length).slice() : from.refuse(`has ${length} bytes`);
    },
  };
}

/** Text of up to `most` UTF-16 units. */
export function text(most: number): Field<string> {
  return {
    write: (to, value) => {
      to.number(value.length);
      for (let i = 0; i < value.length; i++) to.number(value.charCodeAt(i));
    },
    read: (from) => {
      const length = from.number();
      if (length > most) from.refuse(`has ${length} characters`);
      return Array.from({ length }, () => String.fromCharCode(u16.read(from))).join("");
    },
  };
}

/** One of a few values. */
export function choice<const T extends string | number>(values: readonly T[]): Field<T> {
  return {
    write: (to, value) => to.byte(values.indexOf(value)),
    read: (from) => values[from.byte()] ?? from.refuse("is unknown"),
  };
}

/** Null, which takes no bytes. */
export const nothing: Field<null> = { write: () => {}, read: () => null };

/** A value, or null. */
export function orNull<T>(field: Field<T>): Field<T | null> {
  return {
    write: (to, value) => {
      flag.write(to, value !== null);
      if (value !== null) field.write(to, value);
    },
    read: (from) => (flag.read(from) ? field.read(from) : null),
  };
}

/** From `least` to `most` values of one kind. */
export function list<T>(field: Field<T>, least: number, most = least): Field<T[]> {
  return {
    write: (to, value) => {
      to.number(value.length);
      for (const item of value) field.write(to, item);
    },
    read: (from) => {
      const length = from.number();
      if (length < least || length > most) from.refuse(`has ${length} parts`);
      return Array.from({ length }, (_, n) => from.inField(n.toString(), () => field.read(from)));
    },
  };
}

/** An object with these fields, in this order. */
export function record<T extends object>(fields: { readonly [K in keyof T]-?: Field<T[K]> }): Field<T> {
  const entries = Object.entries(fields) as [keyof T & string, Field<T[keyof T]>][];
  return {
    write: (to, value) => {
      for (const [name, field] of entries) field.write(to, value[name]);
    },
    read: (from) =>
      Object.fromEntries(
        entries.map(([name, field]) => [name, from.inField(name, () => field.read(from))]),
      ) as T,
  };
}

/** Objects that are told apart by their property `tag`: the fields of each besides that. */
export function variants<Tag extends string, T extends { readonly [K in Tag]: string }>(
  tag: Tag,
  kinds: { readonly [K in T[Tag]]: Field<Omit<Extract<T, { readonly [P in Tag]: K }>, Tag>> },
): Field<T> {
  const name = choice(Object.keys(kinds) as T[Tag][]);
  return {
    write: (to, value) => {
      name.write(to, value[tag]);
      (kinds[value[tag]] as Field<unknown>).write(to, value);
    },
    read: (from) => {
      const kind = name.read(from);
      return { [tag]: kind, ...kinds[kind].read(from) } as unknown as T;
    },
  };
}
