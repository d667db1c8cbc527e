/** Bit of a mapped address that says code is to be there, not data. */
export const MAPPED_CODE_BIT = 27;
