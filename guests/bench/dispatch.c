/* dispatch.c - an interpreter of byte code that jumps through a table from each operation to the next. */
#include "bench.h"

enum { LOAD, MOVE, ADD, SUBTRACT, MULTIPLY, AND, SHIFT, READ, WRITE, LOOP, SKIP, STOP, OPERATIONS };

/* An operation and its operands: registers, or numbers. */
struct code {
  u8 operation, a, b, c;
};

/* Fills a table with numbers, sums up those that are odd, and mixes the sum into the next round. */
static const struct code example[] = {
    {LOAD, 1, 250, 0},    /* r1: how often */
    {LOAD, 2, 0, 0},      /* r2: index */
    {LOAD, 3, 1, 0},      /* r3 = 1 */
    {LOAD, 7, 3, 0},      /* r7: shift */
    {MULTIPLY, 4, 0, 0},  /* 4: the loop; r0 is the seed */
    {ADD, 4, 4, 2},       {WRITE, 4, 2, 0}, {SHIFT, 5, 4, 7}, {ADD, 0, 0, 5},
    {READ, 6, 2, 0},      {AND, 8, 6, 3},   {SKIP, 8, 1, 0}, /* if even */
    {ADD, 9, 9, 6},       {ADD, 2, 2, 3},   {MOVE, 10, 9, 0}, {SUBTRACT, 11, 10, 6},
    {LOOP, 1, 12, 0},     /* back by 12 while --r1 */
    {ADD, 0, 0, 11},      {STOP, 0, 0, 0},
};

static u32 table[256];

__attribute__((noinline)) static u32 interpret(const struct code *at, u32 r[16]) {
  static const void *const labels[OPERATIONS] = {&&load, &&move, &&add,   &&subtract, &&multiply, &&and_,
                                                 &&shift, &&read, &&write, &&loop,     &&skip,     &&stop};
#define NEXT goto *labels[(++at)->operation]
  goto *labels[at->operation];
load:
  r[at->a] = at->b;
  NEXT;
move:
  r[at->a] = r[at->b];
  NEXT;
add:
  r[at->a] = r[at->b] + r[at->c];
  NEXT;
subtract:
  r[at->a] = r[at->b] - r[at->c];
  NEXT;
multiply:
  r[at->a] = r[at->b] * r[at->c];
  NEXT;
and_:
  r[at->a] = r[at->b] & r[at->c];
  NEXT;
shift:
  r[at->a] = r[at->b] >> (r[at->c] & 31);
  NEXT;
read:
  r[at->a] = table[r[at->b] & 255];
  NEXT;
write:
  table[r[at->b] & 255] = r[at->a];
  NEXT;
loop:
  if (--r[at->a] != 0) at -= at->b + 1;
  NEXT;
skip:
  if (r[at->a] == 0) at += at->b;
  NEXT;
stop:
  return r[0];
}

u32 dispatch(u32 rounds) {
  u32 registers[16] = {0x01234567};
  for (u32 round = 0; round < rounds; round++) registers[0] = add_to(round, interpret(example, registers));
  return registers[0];
}
