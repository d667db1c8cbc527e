/** A name out of an archive, for messages: it may hold anything. */
export const shownName = (name: string): string => name.replaceAll(/\p{Cc}/gu, "?").slice(0, 100);

/** An archive is not what it has to be: it is damaged, cut off, or another kind of file. `message` says so, without a name. */
export class ArchiveError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ArchiveError";
  }
}
