/**
 * A snapshot cannot be taken, read or restored: `message` is one line that says why. What a damaged, foreign or
 * contradictory snapshot holds is never any other error.
 */
export class SnapshotError extends Error {
  /** What was given instead: a file of kseg's of another kind, or null. */
  readonly found: "snapshot" | "recording" | null;

  constructor(message: string, options?: ErrorOptions & { readonly found?: SnapshotError["found"] }) {
    // Names out of a damaged file may hold anything.
    super(message.replaceAll(/\p{Cc}/gu, "?"), options);
    this.name = "SnapshotError";
    this.found = options?.found ?? null;
  }
}
