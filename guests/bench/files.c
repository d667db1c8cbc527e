/* files.c - copies a file in pieces of 4 KiB, reads the copy and removes both; in the current directory. */
#include "bench.h"
#include "syscall.h"

#define PIECE 4096
#define PIECES 128

static u32 piece[PIECE / 4];

static int check(long result, const char *what) {
  if (result < 0) fail(what);
  return (int)result;
}

static int create(const char *name) { return check(syscall2(SYS_CREAT, name, 0600), "creat"); }
static int open(const char *name) { return check(syscall2(SYS_OPEN, name, 0), "open"); }
static void close(int file) { check(syscall1(SYS_CLOSE, file), "close"); }
static void unlink(const char *name) { check(syscall1(SYS_UNLINK, name), "unlink"); }

static void write_piece(int file) {
  if (syscall3(SYS_WRITE, file, piece, PIECE) != PIECE) fail("write");
}

static int read_piece(int file) {
  long size = check(syscall3(SYS_READ, file, piece, PIECE), "read");
  if (size != 0 && size != PIECE) fail("a piece was read in parts");
  return size != 0;
}

/* A round is a file of 512 KiB. */
u32 files(u32 rounds) {
  u32 sum = 0;
  for (u32 round = 0; round < rounds; round++) {
    int file = create("bench.original");
    for (u32 i = 0; i < PIECES; i++) {
      for (u32 j = 0; j < PIECE / 4; j += 64) piece[j] = sum + i * j;
      write_piece(file);
    }
    close(file);

    int from = open("bench.original"), to = create("bench.copy");
    while (read_piece(from)) write_piece(to);
    close(from);
    close(to);

    file = open("bench.copy");
    while (read_piece(file))
      for (u32 j = 0; j < PIECE / 4; j += 64) sum = add_to(sum, piece[j]);
    close(file);
    unlink("bench.original");
    unlink("bench.copy");
  }
  return sum;
}
