/*
 * palloc.c - physical pages. Freed pages are kept in a list threaded through the
 * pages themselves; pages never used yet are taken from a rising boundary, so that
 * booting does not touch all of memory.
 */
#include "kernel.h"

extern char kernel_end[];

#define MEMORY_LEAST (2u << 20)

struct memory memory;
static u32 boundary, limit;
static void *free_list;

void palloc_init(u32 bytes) {
  if (bytes < MEMORY_LEAST) panic("%u KiB of memory are too few", bytes / 1024);
  boundary = ((u32)kernel_end + PAGE_SIZE - 1) & -PAGE_SIZE;
  limit = KSEG0 + bytes;
  memory.total = bytes / PAGE_SIZE;
  memory.free = (limit - boundary) / PAGE_SIZE;
}

void *palloc(void) {
  void *page;
  if (free_list != NULL) {
    page = free_list;
    free_list = *(void **)page;
  } else if (boundary < limit) {
    page = (void *)boundary;
    boundary += PAGE_SIZE;
  } else {
    return NULL;
  }
  memory.free--;
  return memset(page, 0, PAGE_SIZE);
}

void pfree(void *page) {
  *(void **)page = free_list;
  free_list = page;
  memory.free++;
}
