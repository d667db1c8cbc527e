/* string.c - the few library functions that the kernel (and gcc) need. */
#include "kernel.h"

/* Whole words when everything is aligned, which pages and structures are. */
void *memset(void *to, int value, u32 size) {
  u8 *byte = to;
  if ((((u32)to | size) & 3) == 0) {
    u32 word = (value & 0xFF) * 0x01010101u;
    u32 *end = (u32 *)(byte + size);
    for (u32 *p = to; p != end; p++) *p = word;
    return to;
  }
  while (size-- != 0) *byte++ = (u8)value;
  return to;
}

void *memcpy(void *to, const void *from, u32 size) {
  u8 *target = to;
  const u8 *source = from;
  if ((((u32)to | (u32)from | size) & 3) == 0) {
    const u32 *end = (const u32 *)(source + size);
    u32 *p = to;
    for (const u32 *q = from; q != end; q++) *p++ = *q;
    return to;
  }
  while (size-- != 0) *target++ = *source++;
  return to;
}

int strcmp(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return (u8)*a - (u8)*b;
}

/* Decimal, or hexadecimal after 0x. False if it is anything else, or too large. */
bool parse_number(const char *text, u32 *value) {
  u32 base = 10, total = 0;
  if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text += 2;
  }
  if (*text == 0) return false;
  for (; *text != 0; text++) {
    u32 digit = (u32)(*text >= '0' && *text <= '9'   ? *text - '0'
                      : *text >= 'a' && *text <= 'f' ? *text - 'a' + 10
                      : *text >= 'A' && *text <= 'F' ? *text - 'A' + 10
                                                     : 99);
    if (digit >= base || total > (0xFFFFFFFFu - digit) / base) return false;
    total = total * base + digit;
  }
  *value = total;
  return true;
}
