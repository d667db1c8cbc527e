/** Walks a tar stream member by member, on top of the tar library, with errors in this layer's terms. */
import { createTarDecoder } from "modern-tar";
import { ArchiveError } from "./errors.ts";

/** One member of a tar archive. */
export interface TarMember {
  /** Path without a leading `./` or slash. */
  readonly name: string;
  readonly type: string;
  /** Bytes of data; 0 for everything but files. */
  readonly size: number;
}

/** What to do with a member: pass over it, or give its data to a function that reads it to the end. */
export type TarVisit = "skip" | ((body: AsyncIterable<Uint8Array>) => Promise<void>);

/**
 * Calls `visit` for every member of the tar stream `input`, in order, and does what it returns. The whole stream
 * is read, so damage anywhere in it is found.
 * @throws {ArchiveError} when the stream is damaged or cut off; whatever `input` and `visit` throw.
 */
export async function walkTar(
  input: AsyncIterable<Uint8Array>,
  visit: (member: TarMember) => TarVisit,
): Promise<void> {
  let inputError: unknown;
  const stream = toWebStream(input, (error) => (inputError = error));
  /** The tar library refuses by plain errors. */
  const typed = (error: unknown): unknown =>
    error instanceof Error && error.constructor === Error && error !== inputError
      ? new ArchiveError(error.message.replace(/\.$/, ""), { cause: error })
      : error;
  const read = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw typed(error);
    }
  };
  const members = stream.pipeThrough(createTarDecoder({ strict: true })).getReader();
  let finished = false;
  try {
    for (;;) {
      const { done, value: entry } = await read(() => members.read());
      finished = done;
      if (done) return;
      const { name, type = "file", size } = entry.header;
      const action = visit({ name: name.replace(/^(\.?\/+)+/, ""), type, size });
      await (action === "skip" ? drain : action)(piecesOf(entry.body, read));
    }
  } finally {
    if (!finished) await members.cancel().catch(() => undefined);
  }
}

/** Reads a body to its end. Cancelling it instead can stall the whole stream (seen with modern-tar 0.8.6). */
async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  const pieces = body[Symbol.asyncIterator]();
  while ((await pieces.next()).done !== true);
}

/** The pieces of a body, each taken by `read`. */
function piecesOf(
  body: AsyncIterable<Uint8Array>,
  read: <T>(action: () => Promise<T>) => Promise<T>,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      const pieces = body[Symbol.asyncIterator]();
      return {
        next: () => read(() => pieces.next()),
        return: async () => (await pieces.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}

/** `onError` is told what `input` throws. */
function toWebStream(
  input: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done === true) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          onError(error);
          throw error;
        }
      },
      async cancel() {
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
