/** An oracle suite was called with an option that it does not take, or cannot run here. */
export class OracleUsageError extends Error {
  override readonly name = "OracleUsageError";
}
