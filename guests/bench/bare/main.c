/*
 * main.c - one program of guests/bench without an operating system, for machines that run nothing else: PROGRAM does
 * ROUNDS rounds, and says what main.c of guests/bench says.
 */
#include "../bench.h"

/* What a processor provides: sends a byte to the first serial port. */
void put(char c);

#define TEXT(name) #name
#define NAME(name) TEXT(name)

static void print(const char *text) {
  while (*text) put(*text++);
}

void begin(void) {
  print("bench: " NAME(PROGRAM) " begins\n");
  u32 checksum = PROGRAM(ROUNDS);
  print("bench: " NAME(PROGRAM) " ");
  for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[checksum >> shift & 15]);
  print("\nbench: " NAME(PROGRAM) " is done\n");
}
