/** Walks a tar stream member by member, on top of the tar library, with errors in this layer's terms. */
import { createTarDecoder } from "modern-tar";

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
 * @throws {Error} when the stream is damaged or cut off; whatever `visit` throws.
 */
export async function walkTar(
  input: AsyncIterable<Uint8Array>,
  visit: (member: TarMember) => TarVisit,
): Promise<void> {
  const members = toWebStream(input)
    .pipeThrough(createTarDecoder({ strict: true }))
    .getReader();
  let finished = false;
  try {
    for (;;) {
      const { done, value: entry } = await members.read();
      finished = done;
      if (done) return;
      const { name, type = "file", size } = entry.header;
      const action = visit({ name: name.replace(/^(\.?\/+)+/, ""), type, size });
      await (action === "skip" ? drain : action)(entry.body);
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

function toWebStream(input: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
