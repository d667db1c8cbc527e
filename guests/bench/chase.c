/* chase.c - follows pointers through 4,096 pages, each on another one: far more than any TLB holds. */
#include "bench.h"

#define PAGE 4096
#define PAGES 4096

struct node {
  struct node *next;
  u32 value;
};

static u8 memory[PAGES * PAGE] __attribute__((aligned(PAGE)));

/* Not the same place in every page: that would be a test of the caches' sets. */
static struct node *node_in(u32 page) { return (struct node *)(memory + page * PAGE + page * 64 % PAGE); }

/* A round visits every page once. */
u32 chase(u32 rounds) {
  static u16 order[PAGES];
  u32 seed = 362436069u, sum = 0;
  for (u32 i = 0; i < PAGES; i++) order[i] = (u16)i;
  for (u32 i = PAGES - 1; i > 0; i--) {
    u32 other = next_random(&seed) % (i + 1);
    u16 swapped = order[i];
    order[i] = order[other], order[other] = swapped;
  }
  for (u32 i = 0; i < PAGES; i++) {
    struct node *node = node_in(order[i]);
    node->next = node_in(order[(i + 1) % PAGES]);
    node->value = order[i] * 2654435761u;
  }
  const struct node *at = node_in(order[0]);
  for (u32 steps = rounds * PAGES; steps > 0; steps--) {
    sum = sum * 31 + at->value;
    at = at->next;
  }
  return sum;
}
