/** Operating mode, as it selects segments: ERL makes a fourth, in which useg is unmapped. */
export const MODE = { kernel: 0, supervisor: 1, user: 2, error: 3 } as const;
export type Mode = (typeof MODE)[keyof typeof MODE];
