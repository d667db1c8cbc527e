/* crc.c - CRC-32 (IEEE 802.3) of 64 KiB by table, and of a part of it bit by bit. */
#include "bench.h"

#define SIZE 65536
#define SLOW_SIZE 4096
#define POLYNOMIAL 0xedb88320u

static u8 data[SIZE];
static u32 table[256];

static u32 shift_byte(u32 value) {
  for (u32 bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
  return value;
}

static u32 by_table(const u8 *bytes, u32 size) {
  u32 value = ~0u;
  for (u32 i = 0; i < size; i++) value = table[(value ^ bytes[i]) & 255] ^ value >> 8;
  return ~value;
}

static u32 by_bits(const u8 *bytes, u32 size) {
  u32 value = ~0u;
  for (u32 i = 0; i < size; i++) value = shift_byte(value ^ bytes[i]);
  return ~value;
}

/* In one round the checksum is the CRC-32 of bytes 0, 1, 2 ... 255, 0, 1 ... */
u32 crc(u32 rounds) {
  u32 result = 0;
  for (u32 i = 0; i < 256; i++) table[i] = shift_byte(i);
  for (u32 i = 0; i < SIZE; i++) data[i] = (u8)i;
  if (by_table(data, SLOW_SIZE) != by_bits(data, SLOW_SIZE)) fail("the two ways to compute a CRC differ");
  for (u32 round = 0; round < rounds; round++) {
    result = by_table(data, SIZE);
    data[round % SIZE] ^= (u8)by_bits(data + round % 1024, SLOW_SIZE);
  }
  return result;
}
