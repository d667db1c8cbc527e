/* monitor.c - the prompt: reads a line, finds the command, runs it. */
#include "kernel.h"

#define LINE 120
#define WORDS 8

#define CTRL(letter) ((letter) - 'A' + 1)
#define ESCAPE 0x1B
#define DELETE 0x7F

static char line[LINE + 1];

static void erase(u32 *length) {
  print("\b \b");
  (*length)--;
}

/*
 * Read a line with echo and editing. True: end of input (Ctrl-D) came with it, so
 * this line is the last.
 */
static bool read_line(void) {
  static bool after_return;
  u32 length = 0;
  for (;;) {
    int c = console_get();
    bool newline_of_pair = c == '\n' && after_return;
    after_return = c == '\r';
    if (newline_of_pair) continue;

    if (c == '\r' || c == '\n' || c == CTRL('D')) {
      print("\n");
      line[length] = 0;
      return c == CTRL('D');
    } else if (c == '\b' || c == DELETE) {
      if (length > 0) erase(&length);
    } else if (c == CTRL('U')) {
      while (length > 0) erase(&length);
    } else if (c == CTRL('C')) {
      print("^C\n");
      length = 0;
      line[0] = 0;
      return false;
    } else if (c == ESCAPE) { /* cursor keys: ESC [ letter */
      if (console_get() == '[')
        while ((c = console_get()) < '@') continue;
    } else if (c >= ' ' && length < LINE) {
      line[length++] = (char)c;
      console_put((char)c);
    }
  }
}

static int split(char *text, char **words) {
  int count = 0;
  for (;;) {
    while (*text == ' ') *text++ = 0;
    if (*text == 0 || count == WORDS) return count;
    words[count++] = text;
    while (*text != ' ' && *text != 0) text++;
  }
}

/* The argument at `index`, `missing` if it was not given, forced into low..high. */
u32 argument(int argc, char **argv, int index, u32 missing, u32 low, u32 high) {
  u32 value = missing;
  if (index < argc && !parse_number(argv[index], &value)) {
    print("%s: not a number, using %u\n", argv[index], missing);
    value = missing;
  }
  if (value < low || value > high) {
    u32 nearest = value < low ? low : high;
    print("%u is out of range, using %u\n", value, nearest);
    value = nearest;
  }
  return value;
}

static void run_line(void) {
  char *words[WORDS];
  int count = split(line, words);
  if (count == 0) return;
  for (u32 i = 0; i < command_count; i++) {
    if (strcmp(words[0], commands[i].name) != 0) continue;
    commands[i].run(count, words);
    proc_reap();
    return;
  }
  print("%s: no such command; try help\n", words[0]);
}

/* One process that says a line and ends, then those that stay in the background. */
static void start_processes(void) {
  static const struct {
    const char *name;
    u32 program;
  } daemons[] = {
      {"ticker", PROG_TICKER}, {"reverser", PROG_REVERSER}, {"walker", PROG_WALKER}, {"primes", PROG_PRIMES}};

  struct proc *hello = user_create("hello", PROG_HELLO, 0, 0);
  if (hello == NULL) panic("no memory for the first process");
  proc_wait(hello);
  proc_reap();

  for (u32 i = 0; i < COUNT_OF(daemons); i++) {
    struct proc *daemon = user_create(daemons[i].name, daemons[i].program, 0, 0);
    if (daemon == NULL) panic("no memory for %s", daemons[i].name);
    daemon->daemon = true;
  }
  current->wake_tick = ticks + 1; /* so that a first `ps` has something to show */
  sleep_on(&ticks);
}

void monitor(void) {
  start_processes();
  print("Type help for the commands, tour for a guided tour.\n");
  for (;;) {
    print("kseg> ");
    bool last = read_line();
    run_line();
    if (last) power_off();
  }
}
