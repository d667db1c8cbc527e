/* bench.h - what the benchmark guests share: the serial console, and nothing else. */
#pragma once
typedef unsigned int u32;
typedef unsigned char u8;

/* The 16550 at ISA port 3F8h, through the GT-64120's I/O window, uncached. */
#define UART ((volatile u8 *)0xB80003F8)
#define LSR_EMPTY 0x20

static inline void put(char c) {
  while (!(UART[5] & LSR_EMPTY)) continue;
  UART[0] = (u8)c;
}

/* "name 89abcdef done": the checksum proves that the work was done, and the same work everywhere. */
static inline void report(const char *name, u32 checksum) {
  while (*name) put(*name++);
  put(' ');
  for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[checksum >> shift & 15]);
  for (const char *s = " done\r\n"; *s; s++) put(*s);
}
