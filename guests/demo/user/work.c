/*
 * work.c - the workloads. What is measured is what happens between mark(0) and
 * mark(1); everything a workload needs is touched before, so that its page faults
 * are not counted (except in demand(), which is about them).
 */
#include "user.h"

static void touch_all(volatile char *memory, u32 pages) {
  for (u32 page = 0; page < pages; page++) memory[page * PAGE_SIZE]++;
}

void touch(u32 pages, u32 rounds) {
  char *memory = map(pages * PAGE_SIZE);
  touch_all(memory, pages);
  mark(0);
  for (u32 round = 0; round < rounds; round++) touch_all(memory, pages);
  mark(1);
}

void demand(u32 pages) {
  volatile char *memory = map(pages * PAGE_SIZE);
  mark(0);
  for (u32 page = 0; page < pages; page++) {
    u32 value = (u32)memory[page * PAGE_SIZE];
    memory[page * PAGE_SIZE] = (char)(value + 1);
  }
  mark(1);
}

void pingpong(u32 turns, u32 pages) {
  char *memory = map(pages * PAGE_SIZE);
  touch_all(memory, pages);
  yield(); /* until the other one is as far */
  mark(0);
  for (u32 turn = 0; turn < turns; turn++) {
    touch_all(memory, pages);
    yield();
  }
  mark(1);
}

void spin(u32 loops) {
  u32 value = 1;
  mark(0);
  for (u32 i = 0; i < loops; i++) {
    value = value * 5 + i;
    OPAQUE(value);
  }
  mark(1);
}

void calls(u32 count) {
  mark(0);
  for (u32 i = 0; i < count; i++) getpid();
  mark(1);
}

void rdhwr(u32 count) {
  mark(0);
  for (u32 i = 0; i < count; i++) {
    u32 value;
    __asm__ volatile("rdhwr %0, $2" : "=r"(value)); /* 2: the Count register */
  }
  mark(1);
}
