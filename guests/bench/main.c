/*
 * main.c - `kbench PROGRAM ROUNDS` runs one program and says when it begins and what came out:
 *
 *     bench: sieve begins
 *     bench: sieve 5d3f00a1
 *     bench: sieve is done
 *
 * `kbench exit STATUS` only ends, with that status: what the spawning program starts.
 */
#include "bench.h"
#include "syscall.h"

static const struct {
  const char *name;
  program *run;
} programs[] = {
#define PROGRAM(name) {#name, name}
    PROGRAM(alu),     PROGRAM(crc),    PROGRAM(sha256),   PROGRAM(sort),      PROGRAM(sieve),
    PROGRAM(lz),      PROGRAM(copy),   PROGRAM(chase),    PROGRAM(recursion), PROGRAM(dispatch),
    PROGRAM(matrix),  PROGRAM(mix),    PROGRAM(syscalls), PROGRAM(pipe),      PROGRAM(spawn),
    PROGRAM(faults),  PROGRAM(files),  PROGRAM(turns1), PROGRAM(turns256),
    PROGRAM(nothing),
};
#define PROGRAM_COUNT (sizeof programs / sizeof *programs)

const char *own_file;

static int same(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

__attribute__((noreturn)) static void end(u32 status) {
  for (;;) syscall1(SYS_EXIT, status);
}

/* One line in one call, so that nothing else gets between its parts. */
static void say(const char *name, const char *what) {
  const char *const parts[] = {"bench: ", name, " ", what, "\n"};
  char line[80];
  u32 size = 0;
  for (u32 i = 0; i < sizeof parts / sizeof *parts; i++)
    for (u32 j = 0; parts[i][j] != 0 && size < sizeof line; j++) line[size++] = parts[i][j];
  syscall3(SYS_WRITE, 1, line, size);
}

void fail(const char *what) {
  say("failed:", what);
  end(1);
}

static u32 number(const char *text) {
  u32 value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (u32)(*text - '0');
  if (*text != 0) fail("the number of rounds is no number");
  return value;
}

static void run(const char *name, program *work, u32 rounds) {
  char hex[9] = {0};
  say(name, "begins");
  u32 checksum = work(rounds);
  for (u32 i = 0; i < 8; i++) hex[i] = "0123456789abcdef"[checksum >> (28 - 4 * i) & 15];
  say(name, hex);
  say(name, "is done");
}

u32 nothing(u32 rounds) { return rounds; }

/* `stack` holds the number of arguments, and then pointers to them. */
__attribute__((noreturn, used)) void begin(const long *stack) {
  const char *const *arguments = (const char *const *)(stack + 1);
  if (stack[0] != 3) fail("usage: kbench PROGRAM ROUNDS");
  own_file = arguments[0];
  u32 rounds = number(arguments[2]);
  if (same(arguments[1], "exit")) end(rounds);
  for (u32 i = 0; i < PROGRAM_COUNT; i++)
    if (same(arguments[1], programs[i].name)) {
      run(programs[i].name, programs[i].run, rounds);
      end(0);
    }
  fail("there is no such program");
}
