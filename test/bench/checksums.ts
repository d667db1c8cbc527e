/** What two rounds of each program of guests/bench come to, on any processor. */
export const CHECKSUMS: Readonly<Record<string, string>> = {
  alu: "d58c2196",
  crc: "48750cf7",
  sha256: "67439a9b",
  sort: "edb89ad5",
  sieve: "00026544",
  lz: "815c3889",
  copy: "546b22b7",
  chase: "27b99288",
  recursion: "09daa134",
  dispatch: "23620318",
  matrix: "22d1fc3c",
  mix: "0000e156",
  syscalls: "3be9b78d",
  pipe: "402ecfd9",
  spawn: "90455100",
  faults: "a542f673",
  files: "1df40663",
};

/** The rounds that {@link CHECKSUMS} are of. */
export const ROUNDS = 2;
