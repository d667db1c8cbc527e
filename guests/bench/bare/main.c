/*
 * main.c - one program of guests/bench without an operating system, for machines that run nothing else: PROGRAM does
 * ROUNDS rounds, and says what main.c of guests/bench says.
 */
#include "../bench.h"

/* What a processor provides: sends a byte to the first serial port. */
void put(char c);

#define TEXT(name) #name
#define NAME(name) TEXT(name)

/* The compiler may call these for what the language does by itself, such as assigning structures. */
void *memcpy(void *to, const void *from, u32 size) {
  for (u32 i = 0; i < size; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}

void *memset(void *to, int value, u32 size) {
  for (u32 i = 0; i < size; i++) ((u8 *)to)[i] = (u8)value;
  return to;
}

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
