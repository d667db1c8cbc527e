/* sort.c - quicksort of random words, and heapsort of pointers to them with a comparing function. */
#include "bench.h"

#define COUNT 16384
#define POINTERS 4096
#define SMALL 12

static u32 words[COUNT];
static const u32 *pointers[POINTERS];

static void insertion_sort(u32 *low, u32 *high) {
  for (u32 *at = low + 1; at <= high; at++) {
    u32 word = *at, *hole = at;
    for (; hole > low && hole[-1] > word; hole--) *hole = hole[-1];
    *hole = word;
  }
}

static void quicksort(u32 *low, u32 *high) {
  while (high - low > SMALL) {
    u32 pivot = low[(high - low) >> 1], *left = low, *right = high;
    while (left <= right) {
      while (*left < pivot) left++;
      while (*right > pivot) right--;
      if (left > right) break;
      u32 swapped = *left;
      *left++ = *right, *right-- = swapped;
    }
    quicksort(low, right);
    low = left;
  }
  insertion_sort(low, high);
}

static int by_low_half(const u32 *a, const u32 *b) { return (s32)(*a & 0xffff) - (s32)(*b & 0xffff); }
static int by_high_half(const u32 *a, const u32 *b) { return (s32)(*a >> 16) - (s32)(*b >> 16); }

typedef int comparison(const u32 *, const u32 *);

static void sink(u32 at, u32 count, comparison *compare) {
  const u32 *moved = pointers[at];
  for (u32 child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && compare(pointers[child], pointers[child + 1]) < 0) child++;
    if (compare(moved, pointers[child]) >= 0) break;
    pointers[at] = pointers[child];
  }
  pointers[at] = moved;
}

static void heapsort(comparison *compare) {
  for (u32 at = POINTERS / 2; at-- > 0;) sink(at, POINTERS, compare);
  for (u32 count = POINTERS - 1; count > 0; count--) {
    const u32 *greatest = pointers[0];
    pointers[0] = pointers[count], pointers[count] = greatest;
    sink(0, count, compare);
  }
}

u32 sort(u32 rounds) {
  u32 seed = 2463534242u, sum = 0;
  for (u32 round = 0; round < rounds; round++) {
    comparison *compare = round % 2 == 0 ? by_low_half : by_high_half;
    for (u32 i = 0; i < COUNT; i++) words[i] = next_random(&seed);
    for (u32 i = 0; i < POINTERS; i++) pointers[i] = &words[i];
    heapsort(compare);
    for (u32 i = 1; i < POINTERS; i++)
      if (compare(pointers[i - 1], pointers[i]) > 0) fail("heapsort left words in disorder");
    sum = add_to(sum, *pointers[POINTERS / 2]);
    quicksort(words, words + COUNT - 1);
    for (u32 i = 1; i < COUNT; i++)
      if (words[i - 1] > words[i]) fail("quicksort left words in disorder");
    sum = add_to(sum, words[COUNT / 2]);
  }
  return sum;
}
