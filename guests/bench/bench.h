/*
 * bench.h - what the benchmark programs share. They use no C library: the same sources build for every
 * 32-bit Linux that syscall.h knows, and do the same work on all of them.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;

/* A program does its work `rounds` times over and returns a checksum of all of it. */
typedef u32 program(u32 rounds);

/* Computing only. */
program alu, crc, sha256, sort, sieve, lz, copy, chase, recursion, dispatch, matrix, mix;
/* Mostly in the kernel. */
program syscalls, pipe, spawn, faults, files;
/* As pipe, with pages that are touched at each turn: what an address space costs when it is switched to. */
program turns1, turns256;
/* Nothing at all: what a run costs besides its program. */
program nothing;

/* The file that this program was started from, for programs that start it again. */
extern const char *own_file;

/* Ends the process with a message: a system call failed, or a result is not what it must be. */
__attribute__((noreturn)) void fail(const char *what);

/* Pseudo-random words (Marsaglia's xorshift, period 2^32 - 1). */
static inline u32 next_random(u32 *state) {
  u32 x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

/* Adds a word to a checksum; the order counts (multiplier of FNV-1). */
static inline u32 add_to(u32 checksum, u32 word) {
  return ((checksum << 9 | checksum >> 23) ^ word) * 16777619u;
}
