/*
 * memory.c - what compilers may call for what the language does by itself, such as assigning structures.
 */
#include "bench.h"

void *memcpy(void *to, const void *from, u32 size) {
  for (u32 i = 0; i < size; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}

void *memset(void *to, int value, u32 size) {
  for (u32 i = 0; i < size; i++) ((u8 *)to)[i] = (u8)value;
  return to;
}
