/*
 * mix.c - what an embedded program does all day, in one loop as CoreMark has it: linked lists, small matrices,
 * a state machine over text, and a 16-bit CRC of all results.
 */
#include "bench.h"

#define NODES 64
#define N 10

struct node {
  struct node *next;
  short key, value;
};

static struct node nodes[NODES];

static u16 crc16(u16 crc, u16 word) {
  for (u32 bit = 0; bit < 16; bit++, word >>= 1)
    crc = (u16)((crc ^ word) & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
  return crc;
}

static struct node *reverse(struct node *list) {
  struct node *reversed = 0;
  while (list != 0) {
    struct node *next = list->next;
    list->next = reversed;
    reversed = list;
    list = next;
  }
  return reversed;
}

static const struct node *find(const struct node *list, short key) {
  while (list != 0 && list->key != key) list = list->next;
  return list;
}

typedef int order(const struct node *, const struct node *);
static int by_key(const struct node *a, const struct node *b) { return a->key - b->key; }
static int by_value(const struct node *a, const struct node *b) { return a->value - b->value; }

static struct node *merge(struct node *a, struct node *b, order *compare) {
  struct node *merged = 0, **end = &merged;
  while (a != 0 && b != 0) {
    struct node **smaller = compare(a, b) <= 0 ? &a : &b;
    *end = *smaller;
    end = &(*smaller)->next;
    *smaller = *end;
  }
  *end = a != 0 ? a : b;
  return merged;
}

static struct node *sort_list(struct node *list, order *compare) {
  if (list == 0 || list->next == 0) return list;
  struct node *middle = list;
  for (const struct node *end = list->next; end != 0 && end->next != 0; end = end->next->next) middle = middle->next;
  struct node *second = middle->next;
  middle->next = 0;
  return merge(sort_list(list, compare), sort_list(second, compare), compare);
}

static u16 lists(u16 crc, u32 round) {
  struct node *list = nodes;
  for (u32 i = 0; i < NODES; i++) {
    nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : 0;
    nodes[i].key = (short)(i * 37 % 64);
    nodes[i].value = (short)(i * round + crc);
  }
  list = sort_list(reverse(list), by_value);
  for (u32 key = 0; key < 8; key++) {
    const struct node *found = find(list, (short)((key * 9 + round) % 80));
    crc = crc16(crc, found == 0 ? 0xffff : (u16)found->value);
  }
  list = sort_list(list, by_key);
  return crc16(crc, (u16)list->next->value);
}

static u16 matrices(u16 crc, u32 round) {
  static short a[N][N], b[N][N];
  u32 sum = 0;
  for (u32 i = 0; i < N; i++)
    for (u32 j = 0; j < N; j++) {
      a[i][j] = (short)(i * round + j);
      b[i][j] = (short)(crc + i * j);
    }
  for (u32 i = 0; i < N; i++)
    for (u32 j = 0; j < N; j++) {
      s32 product = 0;
      for (u32 k = 0; k < N; k++) product += a[i][k] * b[k][j];
      sum += (u32)(product >> 2 & 15) * (u32)(product >> 5 & 127);
    }
  return crc16(crc, (u16)sum);
}

enum state { START, SIGN, INTEGER, POINT, EXPONENT, EXPONENT_DIGITS, INVALID, STATES };

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static enum state step(enum state state, char c) {
  switch (state) {
    case START:
      if (c == '+' || c == '-') return SIGN;
      __attribute__((fallthrough));
    case SIGN:
      return is_digit(c) ? INTEGER : c == '.' ? POINT : INVALID;
    case INTEGER:
      return is_digit(c) ? INTEGER : c == '.' ? POINT : c == 'e' ? EXPONENT : INVALID;
    case POINT:
      return is_digit(c) ? POINT : c == 'e' ? EXPONENT : INVALID;
    case EXPONENT:
      return c == '+' || c == '-' || is_digit(c) ? EXPONENT_DIGITS : INVALID;
    case EXPONENT_DIGITS:
      return is_digit(c) ? EXPONENT_DIGITS : INVALID;
    default:
      return INVALID;
  }
}

static u16 numbers(u16 crc, u32 round) {
  static char text[] = "5012,-1.5e+3,+0.11,.25e-7,1e9,12x4,--9,T0.3e-1F,7+2,-110.700,0.64400,1.e,+e5,33";
  u16 count[STATES] = {0};
  enum state state = START;
  u32 changed = round % (sizeof text - 1);
  char before = text[changed];
  text[changed] = (char)('0' + crc % 10);
  for (const char *at = text;; at++) {
    if (*at != ',' && *at != 0) {
      state = step(state, *at);
      continue;
    }
    count[state]++;
    state = START;
    if (*at == 0) break;
  }
  text[changed] = before;
  for (u32 i = 0; i < STATES; i++) crc = crc16(crc, count[i]);
  return crc;
}

u32 mix(u32 rounds) {
  u16 crc = 0;
  for (u32 round = 0; round < rounds; round++) crc = numbers(matrices(lists(crc, round), round), round);
  return crc;
}
