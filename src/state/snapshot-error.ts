/**
 * A snapshot cannot be taken, read or restored: `message` is one line that says why. What a damaged, foreign or
 * contradictory snapshot holds is never any other error.
 */
export class SnapshotError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SnapshotError";
  }
}
